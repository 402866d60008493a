/**
 * A VM's socket, the other side: connecting to one, and finding the VMs that run.
 *
 * @module
 */
import { rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { isAlive, type VmSocketPlace } from './runtime-directory.ts';
import { type Channel, type ChannelEvents, Link, PROTOCOL_VERSION, REPLY_MAX, type VmHello } from './vm-socket.ts';

/** Why a VM cannot be talked to. */
export class VmConnectionError extends Error {
  override readonly name = 'VmConnectionError';
  /** No VM is there: its process ended. */
  readonly gone: boolean;

  constructor(message: string, gone: boolean) {
    super(message);
    this.gone = gone;
  }
}

/** A connection to a VM. */
export class VmConnection {
  readonly hello: VmHello;
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;
  readonly #link: Link;
  #isOpen = true;

  constructor(hello: VmHello, link: Link, ended: Promise<void>) {
    this.hello = hello;
    this.#link = link;
    this.ended = ended;
    ended.then(() => {
      this.#isOpen = false;
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  open(service: string, request: unknown, events: ChannelEvents): Channel {
    return this.#link.open(service, request, events);
  }

  /** Takes no more of what the VM sends until `unhold`. */
  hold(): void {
    this.#link.hold();
  }

  unhold(): void {
    this.#link.unhold();
  }

  close(): void {
    this.#isOpen = false;
    this.#link.destroy();
  }
}

/** How soon a socket that refuses is asked again, if its process lives: some systems refuse when they mean "not now". */
const AGAIN_MS = 50;

/**
 * Connects to a VM and hears who it is. Throws VmConnectionError; a socket that nobody listens to is removed. Waits for a VM that is stopped until
 * `signal` aborts.
 */
export async function connectVm(place: VmSocketPlace, signal?: AbortSignal): Promise<VmConnection> {
  try {
    return await connect(place, signal);
  } catch (error) {
    const refused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
    if (!refused) throw asConnectionError(place, error);
  }
  try {
    if (isAlive(place.pid)) {
      await setTimeout(AGAIN_MS);
      return await connect(place, signal);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw asConnectionError(place, error);
  }
  rmSync(place.path, { force: true });
  throw new VmConnectionError(`${place.path}: nobody listens`, true);
}

/** What connecting to a VM that ends comes to: its socket is removed, or its process killed while we shake hands. */
const ENDED = ['ENOENT', 'ECONNRESET', 'EPIPE'];

function asConnectionError(place: VmSocketPlace, error: unknown): VmConnectionError {
  if (error instanceof VmConnectionError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new VmConnectionError(`${place.path}: ${code ?? message}`, ENDED.includes(code ?? ''));
}

function connect(place: VmSocketPlace, signal: AbortSignal | undefined): Promise<VmConnection> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path: place.path });
    let failure: Error | undefined;
    socket.on('error', (error) => {
      failure = error;
    });
    const abort = (): void => {
      failure = new VmConnectionError(`${place.path}: does not answer`, false);
      socket.destroy();
    };
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const link = new Link(socket, {
      limit: REPLY_MAX,
      hello(hello) {
        signal?.removeEventListener('abort', abort);
        if (isHello(hello)) resolve(new VmConnection(hello, link, ended));
        else {
          failure = new VmConnectionError(`${place.path}: speaks another protocol than this version of Lucid`, false);
          socket.destroy();
        }
      },
      ended(why) {
        signal?.removeEventListener('abort', abort);
        end();
        reject(failure ?? new VmConnectionError(`${place.path}: ${why || 'hung up'}`, why === ''));
      },
    });
  });
}

function isHello(value: unknown): value is VmHello {
  if (typeof value !== 'object' || value === null) return false;
  const { protocol, vmid, pid, name, vcpus, services } = value as Record<string, unknown>;
  const whole = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0;
  return protocol === PROTOCOL_VERSION && whole(vmid) && whole(pid) && whole(vcpus) && typeof name === 'string' && Array.isArray(services);
}
