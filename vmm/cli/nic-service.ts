/**
 * The back ends of NICs that need an event loop, in the main thread: the user-mode network and links between VMs, each behind a pair of frame rings.
 *
 * @module
 */
import type { NetBackend } from '../../devices/net/backend.ts';
import { createFrameRing, FrameReader, FrameWriter } from '../../devices/net/frame-ring.ts';
import { macOf, type NicOptions, type UserNetOptions } from '../../devices/net/options.ts';
import type { NicRings } from '../../devices/net/ring-backend.ts';
import { UsageError } from './options.ts';

/** One of them. */
interface Served {
  readonly backend: NetBackend;
  readonly fromGuest: FrameReader;
}

export class NicService {
  /** For each NIC, in their order. */
  readonly rings: readonly (NicRings | undefined)[];
  readonly #served: readonly Served[];

  private constructor(rings: readonly (NicRings | undefined)[], served: readonly Served[]) {
    this.rings = rings;
    this.#served = served;
  }

  /** Opens what the NICs need; `wake` makes the VM's thread look at its rings. Throws UsageError for a port or socket that cannot be had. */
  static async open(nics: readonly NicOptions[], seed: number, wake: () => void): Promise<NicService> {
    const rings: (NicRings | undefined)[] = [];
    const served: Served[] = [];
    try {
      for (const [index, nic] of nics.entries()) {
        const backend = await openBackend(nic, macOf(nic, index, seed));
        if (backend === undefined) {
          rings.push(undefined);
          continue;
        }
        const pair = { fromGuest: createFrameRing(), toGuest: createFrameRing() };
        const writer = new FrameWriter(pair.toGuest, wake);
        backend.receiver = (frame, offload) => writer.put(frame, offload);
        rings.push(pair);
        served.push({ backend, fromGuest: new FrameReader(pair.fromGuest) });
      }
    } catch (error) {
      for (const { backend } of served) backend.close();
      throw error;
    }
    return new NicService(rings, served);
  }

  /** The VM's thread has put frames into its rings, or made room in ours. */
  move(): void {
    for (const { backend, fromGuest } of this.#served) {
      fromGuest.take((frame, offload) => {
        backend.send(frame, offload);
        return true;
      });
      backend.ready();
    }
  }

  close(): void {
    for (const { backend } of this.#served) backend.close();
  }
}

/** A back end of this thread; undefined for those of the VM's. Each is loaded only when it is needed. */
async function openBackend({ backend: options }: NicOptions, mac: Uint8Array): Promise<NetBackend | undefined> {
  switch (options.kind) {
    case 'user':
      return await openUser(options);
    case 'link':
      return await openSocket(options.path, mac);
    default:
      return undefined;
  }
}

async function openUser(options: UserNetOptions): Promise<NetBackend> {
  const { UserNetwork } = await import('../../devices/net/user/stack.ts');
  const network = new UserNetwork(options);
  try {
    await network.listen();
  } catch (error) {
    if ((error as Error).name !== 'ForwardError') throw error;
    throw new UsageError(`--nic user,${(error as Error).message}`);
  }
  return network;
}

async function openSocket(path: string, mac: Uint8Array): Promise<NetBackend> {
  const { openLink } = await import('../../devices/net/link.ts');
  const named = (text: string): string => `--nic link:${path}: ${text}`;
  try {
    return await openLink({ path, mac, warn: (text) => process.stderr.write(`lucid: ${named(text)}\n`) });
  } catch (error) {
    if ((error as Error).name !== 'LinkOpenError') throw error;
    throw new UsageError(named((error as Error).message));
  }
}
