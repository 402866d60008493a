/**
 * The service `kstat` of a VM's socket, both ends of it: what libkstat is to /dev/kstat.
 *
 * A client gets the chain (headers of all kstats, with the number of the chain), then reads the kstats it wants by their position in it, as often
 * as it wants. An answer carries the number of the chain it was made from; when that is another than the client's, the client gets the chain anew.
 * Counters are loads from the VM's shared memory in the main thread of its process: the guest is neither asked nor slowed.
 *
 * A read has two times: `snaptime` of each kstat is the VM's clock; `host` is the host's monotonic clock, for rates per real second.
 *
 * Messages are JSON. A 64-bit counter is a number up to 2^53, a string of digits in `{ u64 }` beyond.
 *
 * @module
 */
import { type Kstat, type KstatPublication, KstatRegistry, type KstatSnapshot } from './kstat.ts';
import { type Channel, type ChannelEvents, parseJson, ProtocolError } from './vm-socket.ts';
import type { VmConnection } from './vm-socket-client.ts';
import type { VmService } from './vm-socket-server.ts';

export const KSTAT_SERVICE = 'kstat';

/** Who a kstat is, without its values. */
export type KstatHeader = Pick<KstatSnapshot, 'module' | 'instance' | 'name' | 'class' | 'type' | 'crtime'>;

/** What a VM's kstats were at one moment. */
export interface KstatReading {
  /** ns of the host's monotonic clock, now and when the VM started: comparable within one VM only. */
  readonly hostNs: bigint;
  readonly hostStartNs: bigint;
  readonly kstats: readonly KstatSnapshot[];
}

type WireNumber = number | { readonly u64: string };
type WireValue = string | WireNumber;

function toWire(value: bigint): WireNumber {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : { u64: String(value) };
}

function fromWire(value: unknown): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  const digits = (value as { u64?: unknown } | null)?.u64;
  if (typeof digits === 'string' && /^\d{1,20}$/.test(digits)) return BigInt(digits);
  throw new ProtocolError('not a counter');
}

/** The VM's end. */
export class KstatService {
  readonly #startNs = process.hrtime.bigint();
  #registry: KstatRegistry;
  #kstats: readonly Kstat[];
  #chain = 1;

  constructor(buffer: ArrayBufferLike, publication: KstatPublication) {
    this.#registry = KstatRegistry.adopt(buffer, publication);
    this.#kstats = [...this.#registry.list()];
  }

  /** Takes a newer publication of the same VM. */
  replace(buffer: ArrayBufferLike, publication: KstatPublication): void {
    this.#registry = KstatRegistry.adopt(buffer, publication);
    this.#kstats = [...this.#registry.list()];
    this.#chain++;
  }

  /** To be registered at the VM's server. */
  readonly serve: VmService = (channel): ChannelEvents => ({
    data: (payload) => {
      channel.send(JSON.stringify(this.#answer(parseJson(payload))));
    },
  });

  #answer(asked: unknown): object {
    const { id, chain, read } = (asked ?? {}) as { id?: unknown; chain?: unknown; read?: unknown };
    if (!Number.isSafeInteger(id)) throw new ProtocolError('a request without a number');
    if (read === undefined) return { id, chain: this.#chain, kstats: this.#kstats.map(headerToWire) };
    // Positions in a chain that is no more mean nothing; the client sees that and asks for the new one.
    if (chain !== undefined && chain !== this.#chain) return { id, chain: this.#chain };
    if (!Array.isArray(read) || read.length > this.#kstats.length) throw new ProtocolError('not a list of kstats');
    const kstats = read.map((kid: unknown) => {
      const kstat = Number.isSafeInteger(kid) ? this.#kstats[kid as number] : undefined;
      if (kstat === undefined) throw new ProtocolError('no such kstat');
      const { snaptime, values } = this.#registry.read(kstat);
      return { kid, snaptime: toWire(snaptime), values: values.map(([n, v]) => [n, typeof v === 'bigint' ? toWire(v) : v]) };
    });
    return { id, chain: this.#chain, host: toWire(process.hrtime.bigint()), start: toWire(this.#startNs), kstats };
  }
}

function headerToWire(kstat: Kstat): object {
  const { module, instance, name, class: kclass, type, crtime } = kstat;
  return { module, instance, name, class: kclass, type: type ?? 'named', crtime };
}

interface Waiting {
  readonly id: number;
  readonly resolve: (answer: Record<string, unknown>) => void;
  readonly reject: (error: Error) => void;
}

/** The VM's `kstat` service went away: the VM ended. */
export class KstatGone extends Error {
  override readonly name = 'KstatGone';
}

/** The client's end, for one VM. */
export class KstatClient {
  readonly #channel: Channel;
  #headers: readonly KstatHeader[] = [];
  #chain = 0;
  #id = 0;
  #waiting: Waiting | undefined;

  constructor(connection: VmConnection) {
    this.#channel = connection.open(KSTAT_SERVICE, null, {
      data: (payload) => this.#answered(payload),
      closed: (reason) => this.#waiting?.reject(new KstatGone(reason)),
    });
  }

  /** A request is under way: a VM that is stopped does not answer. No other may be made. */
  get busy(): boolean {
    return this.#waiting !== undefined;
  }

  /** Reads the kstats that are wanted, in the order of the chain. Throws KstatGone, ProtocolError. */
  async read(wanted: (header: KstatHeader) => boolean): Promise<KstatReading> {
    for (;;) {
      if (this.#chain === 0) await this.#getChain();
      const kids = [...this.#headers.keys()].filter((kid) => wanted(this.#headers[kid] as KstatHeader));
      const answer = await this.#ask({ chain: this.#chain, read: kids });
      if (answer['chain'] === this.#chain) return this.#reading(answer);
      this.#chain = 0;
    }
  }

  async #getChain(): Promise<void> {
    const { chain, kstats } = await this.#ask({});
    if (!Number.isSafeInteger(chain) || !Array.isArray(kstats)) throw new ProtocolError('not a chain');
    this.#headers = kstats.map((header) => ({ ...header, crtime: fromWire(header.crtime) }));
    this.#chain = chain as number;
  }

  #reading(answer: Record<string, unknown>): KstatReading {
    const { host, start, kstats } = answer as { host: unknown; start: unknown; kstats: WireKstat[] };
    const snapshots = kstats.map(({ kid, snaptime, values }) => {
      const header = this.#headers[kid];
      if (header === undefined) throw new ProtocolError('a kstat that is not in the chain');
      const read = values.map(([name, value]) => [name, typeof value === 'string' ? value : fromWire(value)] as const);
      return { ...header, snaptime: fromWire(snaptime), values: read };
    });
    return { hostNs: fromWire(host), hostStartNs: fromWire(start), kstats: snapshots };
  }

  #ask(request: object): Promise<Record<string, unknown>> {
    if (this.#waiting !== undefined) throw new Error('kstat: asked again before the answer');
    if (!this.#channel.isOpen) return Promise.reject(new KstatGone('closed'));
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting = { id, resolve, reject };
      this.#channel.send(JSON.stringify({ id, ...request }));
    });
  }

  #answered(payload: Buffer): void {
    const answer = parseJson(payload) as Record<string, unknown>;
    const waiting = this.#waiting;
    if (waiting === undefined || answer['id'] !== waiting.id) throw new ProtocolError('an answer to nothing');
    this.#waiting = undefined;
    waiting.resolve(answer);
  }
}

interface WireKstat {
  readonly kid: number;
  readonly snaptime: WireNumber;
  readonly values: readonly (readonly [string, WireValue])[];
}
