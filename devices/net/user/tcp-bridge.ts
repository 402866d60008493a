/**
 * A TCP connection of the guest on one side, a socket of the host on the other.
 *
 * Bytes go both ways with pressure both ways: while the host does not take what the guest sent, the guest's window closes; while the guest does not take
 * what the host sent, the socket is not read. The ends of both directions are passed on separately, and so are resets.
 *
 * @module
 */
import { connect, type Socket } from 'node:net';
import { BlockPool } from './send-queue.ts';
import { type Application, RECEIVE_MAX, type TcpConnection } from './tcp-connection.ts';

/** Bytes for the guest at which the socket is not read any more, and at which it is again. */
const QUEUE_HIGH = 524288;
const QUEUE_LOW = 262144;
/** What a short write costs in the host's memory, besides its bytes. */
const WRITE_COST = 256;
/** Shorter writes are left to Node, which has a pool for them. */
const BLOCK_LEAST = 4096;

/** Bytes that are on their way, of all bridges of a stack: when they are many, each connection gets less. */
export class Pressure {
  toHost = 0;
  toGuest = 0;
  /** Sockets that are not closed: one may outlive its connection while the host does not take its last bytes. */
  sockets = 0;
  /** What carries the guest's segments until the host has taken them. */
  readonly blocks = new BlockPool(65536);
}

const TO_HOST_MAX = 33554432;
const TO_GUEST_MAX = 33554432;
/** What every connection may hold, however many there are. */
const SHARE_MIN = 16384;

type Failed = (error: NodeJS.ErrnoException) => void;

/** Where sockets are read to, one after the other: what is there is copied before the next is read. */
const READ_BUFFER = new Uint8Array(65536);

export class TcpBridge implements Application {
  readonly #connection: TcpConnection;
  readonly #socket: Socket;
  readonly #pressure: Pressure;
  /** Bytes, and the cost of writes, that the host has not taken yet. */
  #pending = 0;
  /** Bytes of the connection's queue as `Pressure` knows them. */
  #queued = 0;
  #paused = true;
  #done = false;
  readonly #failed: Failed | undefined;

  /** Joins a socket that was accepted: it must not have been read, and must allow half-open connections. */
  static accepted(connection: TcpConnection, socket: Socket, pressure: Pressure): TcpBridge {
    const bridge = new TcpBridge(connection, socket, pressure, undefined);
    socket.on('data', (bytes: Buffer) => bridge.#fromHost(bytes));
    socket.pause();
    return bridge;
  }

  /** Connects to a port of the host's network, and accepts the guest's request when that is there; `failed` is told why it cannot be. */
  static connected(connection: TcpConnection, host: string, port: number, pressure: Pressure, failed: Failed): TcpBridge {
    const callback = (length: number): boolean => {
      bridge.#fromHost(READ_BUFFER.subarray(0, length));
      return true;
    };
    const socket = connect({ host, port, allowHalfOpen: true, onread: { buffer: READ_BUFFER, callback } });
    socket.pause();
    const bridge = new TcpBridge(connection, socket, pressure, failed);
    socket.once('connect', () => connection.accept());
    return bridge;
  }

  private constructor(connection: TcpConnection, socket: Socket, pressure: Pressure, failed: Failed | undefined) {
    this.#connection = connection;
    this.#failed = failed;
    this.#socket = socket;
    this.#pressure = pressure;
    pressure.sockets++;
    connection.application = this;
    socket.setNoDelay(true);
    socket.on('end', () => connection.shutdown());
    socket.on('error', (error) => this.#hostFailed(error));
    socket.on('close', () => {
      pressure.sockets--;
      if (!socket.readableEnded) this.#hostFailed();
    });
  }

  opened(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  room(): number {
    const shared = this.#pressure.toHost < TO_HOST_MAX ? RECEIVE_MAX : SHARE_MIN;
    return shared - this.#pending;
  }

  received(bytes: Uint8Array): void {
    if (this.#socket.destroyed) return;
    const cost = bytes.length + WRITE_COST;
    this.#pending += cost;
    this.#pressure.toHost += cost;
    const block = bytes.length < BLOCK_LEAST ? undefined : this.#pressure.blocks.take();
    block?.set(bytes);
    this.#socket.write(block?.subarray(0, bytes.length) ?? Buffer.from(bytes), () => {
      if (block !== undefined) this.#pressure.blocks.give(block);
      this.#pending -= cost;
      this.#pressure.toHost -= cost;
      this.#connection.roomed();
    });
  }

  finished(): void {
    this.#socket.end();
  }

  aborted(): void {
    this.#finish();
    resetSocket(this.#socket);
  }

  sendable(): void {
    this.#account();
    if (this.#paused && this.#connection.queue.length <= QUEUE_LOW) {
      this.#paused = false;
      this.#socket.resume();
    }
  }

  /** Bytes that were read, valid during the call only. */
  #fromHost(bytes: Uint8Array): void {
    const { queue } = this.#connection;
    this.#connection.send(bytes);
    this.#account();
    const high = this.#pressure.toGuest < TO_GUEST_MAX ? QUEUE_HIGH : SHARE_MIN;
    if (queue.length >= high) {
      this.#paused = true;
      this.#socket.pause();
    }
  }

  #account(): void {
    const { length } = this.#connection.queue;
    this.#pressure.toGuest += length - this.#queued;
    this.#queued = length;
  }

  #hostFailed(error?: NodeJS.ErrnoException): void {
    if (this.#done) return;
    this.#finish();
    if (error !== undefined && this.#failed !== undefined && this.#connection.state === 'connecting') this.#failed(error);
    else this.#connection.abort();
  }

  #finish(): void {
    this.#done = true;
    this.#pressure.toGuest -= this.#queued;
    this.#queued = 0;
  }
}

/**
 * Resets a connection of the host. One that is not there yet, or is being shut down, is closed instead: Node would wait for the first, and would never
 * let go of the handle of the second.
 */
export function resetSocket(socket: Socket): void {
  const shutting = socket.writableEnded && !socket.writableFinished;
  if (socket.connecting || shutting) socket.destroy();
  else if (!socket.destroyed) socket.resetAndDestroy();
}
