/**
 * A UDP flow's socket on the host.
 *
 * @module
 */
import { createSocket, type Socket } from 'node:dgram';
import type { UnreachableCode } from './icmp.ts';
import { codeOf } from './reach.ts';

/** Datagrams that wait for a flow's socket. */
const WAITING_MAX = 16;

export interface HostPathEvents {
  received(data: Uint8Array, port: number): void;
  /** A datagram did not get there. */
  failed(code: UnreachableCode): void;
  /** The socket could not be made; nothing will come of it. */
  ended(): void;
}

export class HostPath {
  readonly #socket: Socket;
  readonly #address: string;
  readonly #port: number;
  readonly #anyPort: boolean;
  readonly #events: HostPathEvents;
  #waiting: Buffer[] | undefined = [];
  #closed = false;

  constructor(address: string, port: number, anyPort: boolean, events: HostPathEvents) {
    this.#address = address;
    this.#port = port;
    this.#anyPort = anyPort;
    this.#events = events;
    this.#socket = createSocket('udp4');
    this.#socket.on('error', (error) => this.#failed(error));
    this.#socket.on('message', (data, from) => {
      if (!this.#closed && from.address === address) events.received(data, from.port);
    });
    // A port of 0 is nobody's; the host would refuse it by throwing.
    if (port === 0) return;
    this.#socket.once(anyPort ? 'listening' : 'connect', () => this.#open());
    if (anyPort) this.#socket.bind(0);
    else this.#socket.connect(port, address);
  }

  send(data: Uint8Array): void {
    if (this.#waiting === undefined) this.#sendNow(Buffer.from(data));
    else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(Buffer.from(data));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  #open(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const data of waiting) this.#sendNow(data);
  }

  #sendNow(data: Buffer): void {
    if (this.#closed) return;
    const done = (error: Error | null): void => {
      if (error !== null) this.#failed(error);
    };
    if (this.#anyPort) this.#socket.send(data, this.#port, this.#address, done);
    else this.#socket.send(data, done);
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (this.#closed) return;
    const code = codeOf(error);
    if (code !== undefined) this.#events.failed(code);
    if (this.#waiting === undefined) return;
    this.#events.ended();
    this.close();
  }
}
