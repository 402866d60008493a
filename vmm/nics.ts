/**
 * The NICs of a VM: from what the user describes to what a device sends to and receives from, in the VM's thread.
 *
 * @module
 */
import { statSync, readFileSync } from 'node:fs';
import type { NetBackend } from '../devices/net/backend.ts';
import { Capture } from '../devices/net/capture.ts';
import { NoNetwork } from '../devices/net/none.ts';
import { isOutside, macOf, type NicOptions } from '../devices/net/options.ts';
import { PcapError, readCapture } from '../devices/net/pcap.ts';
import { type Protection, protect } from '../devices/net/protection.ts';
import { Replay } from '../devices/net/replay.ts';
import { type NicRings, RingBackend } from '../devices/net/ring-backend.ts';
import { DEFAULT_EPOCH_SECONDS } from '../devices/rtc.ts';
import type { VirtioNet } from '../devices/virtio/net.ts';
import type { Clock, Saveable } from './bus.ts';
import type { Kstat } from './kstat.ts';

/** What a NIC is made of. */
export interface NicParts {
  readonly backend: NetBackend;
  readonly mac: Uint8Array;
  readonly protection: Protection;
  /** State of the back end that belongs to the VM. */
  readonly saveable?: Saveable;
  /** Told of the device. */
  readonly made: (nic: VirtioNet) => void;
}

export type NicMaker = (clock: Clock) => NicParts;

/** A NIC whose back end cannot be had; one line that names the option and the file. */
export class NicOpenError extends Error {
  override readonly name = 'NicOpenError';
}

/** What stands around the NICs of a run. */
export interface NicHost {
  readonly seed?: number;
  readonly rtcEpoch?: number;
  /** For each NIC, if its back end is in another thread. */
  readonly rings?: readonly (NicRings | undefined)[];
  /** Tells that thread that there is something to do. */
  readonly announce: () => void;
  /** The run is to end: nothing waits for that thread any more. */
  readonly abandon: () => boolean;
  readonly warn: (text: string) => void;
}

const CAPTURE_MAX = 2 ** 30;

/** The NICs of a run. */
export class Nics {
  readonly makers: readonly NicMaker[];
  readonly #host: NicHost;
  readonly #rings: RingBackend[] = [];
  readonly #backends: NetBackend[] = [];
  readonly #outside: VirtioNet[] = [];
  readonly #captures: { readonly path: string; readonly capture: Capture }[] = [];

  constructor(options: readonly NicOptions[], host: NicHost) {
    this.#host = host;
    this.makers = options.map((nic, i) => (clock) => this.#make(nic, i, clock));
  }

  /** The run begins: creates the files of captures. Throws NicOpenError. */
  begin(): void {
    for (const { path, capture } of this.#captures) {
      try {
        capture.begin();
      } catch (error) {
        const why = codeOf(error as Error);
        throw new NicOpenError(`--nic pcap=${path}: cannot write it (${why}); give a file in a folder that may be written`);
      }
    }
  }

  /** The guest goes on from a snapshot: whoever is at the other end may not know it yet. */
  restored(): void {
    for (const nic of this.#outside) nic.announce();
  }

  /** Something came from outside, perhaps for a NIC. */
  poll(): void {
    for (const ring of this.#rings) ring.poll();
  }

  /** Writes out what captures have gathered. */
  flush(): void {
    for (const backend of this.#backends) backend.flush?.();
  }

  close(): void {
    for (const backend of this.#backends) backend.close();
  }

  /** Throws NicOpenError. */
  #make(options: NicOptions, index: number, clock: Clock): NicParts {
    const mac = macOf(options, index, this.#host.seed ?? 0);
    const backend = this.#captured(options, clock, this.#open(options, index, clock));
    this.#backends.push(backend);
    const protection = protect(mac, options.macNospoof === true, options.allowedIps);
    const made = (nic: VirtioNet): void => {
      if (isOutside(options)) this.#outside.push(nic);
    };
    return { backend, mac, protection, saveable: backend.saveable, made };
  }

  #open({ backend }: NicOptions, index: number, clock: Clock): NetBackend {
    if (backend.kind === 'none') return new NoNetwork();
    if (backend.kind === 'pcap') return new Replay(clock, readReplay(backend.path));
    const rings = this.#host.rings?.[index];
    if (rings === undefined) throw new TypeError(`nic${index}: its back end has no rings`);
    const ring = new RingBackend({ rings, clock, announce: this.#host.announce, abandon: this.#host.abandon });
    this.#rings.push(ring);
    return ring;
  }

  #captured({ capture: path }: NicOptions, clock: Clock, backend: NetBackend): NetBackend {
    if (path === undefined) return backend;
    const epoch = this.#host.rtcEpoch ?? DEFAULT_EPOCH_SECONDS;
    const failed = (error: Error): void =>
      this.#host.warn(`--nic pcap=${path}: cannot write it any more (${codeOf(error)}); the capture ends here`);
    const capture = new Capture({ path, backend, clock, epoch, failed });
    this.#captures.push({ path, capture });
    return capture;
  }
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}

function readReplay(path: string): ReturnType<typeof readCapture> {
  try {
    const { size } = statSync(path);
    if (size > CAPTURE_MAX)
      throw new PcapError(`is ${Math.ceil(size / 2 ** 20)} MB long; at most ${CAPTURE_MAX / 2 ** 20} MB can be played`);
    return readCapture(readFileSync(path));
  } catch (error) {
    throw new NicOpenError(`--nic pcap:${path}: ${whyNot(error as NodeJS.ErrnoException)}`);
  }
}

function whyNot(error: NodeJS.ErrnoException): string {
  if (error instanceof PcapError) return error.message;
  if (error.code === 'ENOENT') return 'there is no such file (to write a capture of any back end, add ,pcap=FILE to it)';
  return error.code === 'EISDIR' ? 'is a directory, not a capture' : `cannot read it (${error.code ?? error.message})`;
}

/** `virtio_net:<n>:net<n>`, and what its protection dropped in `net<n>-protect`, by the names that mac(9F) of illumos gives them. */
export function nicKstats(index: number, { counters }: VirtioNet, crtime: number): Kstat[] {
  const counted = (names: readonly (keyof typeof counters)[]): Kstat['stats'] =>
    Object.fromEntries(names.map((name) => [name, { get: () => counters[name] }]));
  const kstat = (name: string, stats: Kstat['stats']): Kstat => ({
    module: 'virtio_net',
    instance: index,
    name,
    class: 'net',
    crtime,
    stats,
  });
  return [
    kstat(`net${index}`, counted(['rbytes64', 'obytes64', 'ipackets64', 'opackets64', 'ierrors', 'oerrors', 'norcvbuf'])),
    kstat(`net${index}-protect`, counted(['macspoofed', 'ipspoofed'])),
  ];
}
