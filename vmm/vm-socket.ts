/**
 * The conversation on a VM's socket: frames, and channels of several services over one connection.
 *
 * A frame is a u32 (bytes of the payload, little-endian), a u8 (its kind) and the payload:
 *
 * | kind | from | payload |
 * |---|---|---|
 * | 0 HELLO | VM, first | JSON: `VmHello` |
 * | 1 OPEN | client | u32 channel (the client's choice), JSON: `{ service, request }` |
 * | 2 DATA | both | u32 channel, bytes that only the service understands |
 * | 3 CLOSE | both | u32 channel, UTF-8: why; empty when all is well |
 *
 * Neither side trusts the other: a frame that is too long or makes no sense ends the connection, and nothing else. Neither waits for the other:
 * while what was sent is not taken, nothing more is read from that connection, so a client that asks and never reads costs the room of one
 * socket buffer; a service that goes on sending when `send` says false is cut off at SEND_MAX.
 *
 * @module
 */
import type { Socket } from 'node:net';

/** Both sides must have the same. */
export const PROTOCOL_VERSION = 1;

export const FRAME = { HELLO: 0, OPEN: 1, DATA: 2, CLOSE: 3 } as const;

/** Who answers, as the VM says when a client connects. */
export interface VmHello {
  readonly protocol: number;
  readonly vmid: number;
  readonly pid: number;
  readonly name: string;
  readonly vcpus: number;
  readonly services: readonly string[];
}

/** Bytes of a frame's payload that a VM takes: a D program and its options. */
export const REQUEST_MAX = 4 << 20;
/** Bytes of a frame's payload that a client takes. */
export const REPLY_MAX = 64 << 20;
/** Bytes not yet taken by the other side at which a connection is given up. */
export const SEND_MAX = 16 << 20;
/** Channels that a connection may have open. */
const CHANNELS_MAX = 64;

const HEAD = 5;

/** The other side does not keep to the protocol. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** Takes frames out of a stream. Never holds more than one frame's payload. */
export class FrameReader {
  readonly #limit: number;
  readonly #frame: (kind: number, payload: Buffer) => void;
  readonly #head = Buffer.alloc(HEAD);
  #headUsed = 0;
  #payload: Buffer | undefined;
  #payloadUsed = 0;

  constructor(limit: number, frame: (kind: number, payload: Buffer) => void) {
    this.#limit = limit;
    this.#frame = frame;
  }

  /** Throws ProtocolError, and whatever the receiver of frames throws. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#payload === undefined) {
        const taken = chunk.copy(this.#head, this.#headUsed, at);
        at += taken;
        this.#headUsed += taken;
        if (this.#headUsed < HEAD) return;
        const length = this.#head.readUInt32LE(0);
        if (length > this.#limit) throw new ProtocolError(`a frame of ${length} bytes`);
        if ((this.#head[4] as number) > FRAME.CLOSE) throw new ProtocolError(`a frame of kind ${this.#head[4]}`);
        this.#payload = Buffer.allocUnsafe(length);
        this.#payloadUsed = 0;
      }
      const taken = chunk.copy(this.#payload, this.#payloadUsed, at);
      at += taken;
      this.#payloadUsed += taken;
      if (this.#payloadUsed < this.#payload.length) return;
      const payload = this.#payload;
      this.#payload = undefined;
      this.#headUsed = 0;
      this.#frame(this.#head[4] as number, payload);
    }
  }
}

/** What a side does with a channel. */
export interface ChannelEvents {
  /** Bytes from the other side. May throw: the channel is closed with the error's message. */
  data?(payload: Buffer): void;
  /** After `send` said false: there is room again. */
  drained?(): void;
  /** The other side closed it, or (`lost`) the connection ended. Not called after one's own `close`. */
  closed?(reason: string, lost: boolean): void;
}

/** One service of one connection. */
export interface Channel {
  /** False when the other side is slow: wait for `drained` before more. Goes nowhere when the channel is closed. */
  send(payload: Uint8Array | string): boolean;
  close(reason?: string): void;
  readonly isOpen: boolean;
}

export interface LinkOptions {
  readonly limit: number;
  /** The other side opens a channel; throws to refuse. Without it, it must not. */
  readonly open?: (channel: Channel, service: string, request: unknown) => ChannelEvents;
  readonly hello?: (hello: unknown) => void;
  /** The connection ended; `why` when it did not end well. */
  readonly ended?: (why: string) => void;
}

interface OpenChannel {
  readonly channel: Channel;
  events: ChannelEvents;
}

/** Parses JSON from the other side. Throws ProtocolError. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new ProtocolError('not JSON');
  }
}

/** One connection, seen from either side. */
export class Link {
  readonly #socket: Socket;
  readonly #options: LinkOptions;
  readonly #channels = new Map<number, OpenChannel>();
  #nextChannel = 1;
  #why = '';
  /** Nothing is read: what was sent is not taken; who takes has no room. */
  #sending = false;
  #held = false;

  constructor(socket: Socket, options: LinkOptions) {
    this.#socket = socket;
    this.#options = options;
    const reader = new FrameReader(options.limit, (kind, payload) => this.#frame(kind, payload));
    socket.on('data', (chunk: Buffer) => {
      try {
        if (!socket.destroyed) reader.push(chunk);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        this.#fail(error.message);
      }
    });
    socket.on('drain', () => {
      this.#sending = false;
      if (!this.#held) socket.resume();
      for (const { events } of [...this.#channels.values()]) events.drained?.();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(error.code ?? error.message));
    socket.on('close', () => this.#ended());
  }

  /** Ends the connection. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Reads no more from the connection until `unhold`: the other side is made to wait, whatever it sends. */
  hold(): void {
    this.#held = true;
    this.#socket.pause();
  }

  unhold(): void {
    this.#held = false;
    if (!this.#sending) this.#socket.resume();
  }

  /** Opens a channel to a service of the other side. */
  open(service: string, request: unknown, events: ChannelEvents): Channel {
    const id = this.#nextChannel++;
    const channel = this.#add(id, events);
    this.#write(FRAME.OPEN, id, Buffer.from(JSON.stringify({ service, request })));
    return channel;
  }

  sendHello(hello: VmHello): void {
    const payload = Buffer.from(JSON.stringify(hello));
    const head = Buffer.alloc(HEAD);
    head.writeUInt32LE(payload.length, 0);
    head[4] = FRAME.HELLO;
    this.#socket.write(Buffer.concat([head, payload]));
  }

  #add(id: number, events: ChannelEvents): Channel {
    const isOpen = (): boolean => this.#channels.get(id)?.channel === channel;
    const channel: Channel = {
      send: (payload) => isOpen() && this.#write(FRAME.DATA, id, typeof payload === 'string' ? Buffer.from(payload) : payload),
      close: (reason = '') => {
        if (!isOpen()) return;
        this.#channels.delete(id);
        this.#write(FRAME.CLOSE, id, Buffer.from(reason));
      },
      get isOpen() {
        return isOpen();
      },
    };
    this.#channels.set(id, { channel, events });
    return channel;
  }

  #write(kind: number, channel: number, payload: Uint8Array): boolean {
    const socket = this.#socket;
    if (socket.destroyed || !socket.writable) return false;
    const frame = Buffer.allocUnsafe(HEAD + 4 + payload.length);
    frame.writeUInt32LE(4 + payload.length, 0);
    frame[4] = kind;
    frame.writeUInt32LE(channel, HEAD);
    frame.set(payload, HEAD + 4);
    if (socket.write(frame)) return true;
    this.#sending = true;
    socket.pause();
    if (socket.writableLength > SEND_MAX) this.#fail(`does not take what it asked for (${socket.writableLength} bytes)`);
    return false;
  }

  #frame(kind: number, payload: Buffer): void {
    if (kind === FRAME.HELLO) {
      if (this.#options.hello === undefined) throw new ProtocolError('a hello');
      this.#options.hello(parseJson(payload));
      return;
    }
    if (payload.length < 4) throw new ProtocolError('a frame without a channel');
    const id = payload.readUInt32LE(0);
    const rest = payload.subarray(4);
    if (kind === FRAME.OPEN) {
      this.#opened(id, rest);
      return;
    }
    // One that this side has just closed: the other side could not know.
    const open = this.#channels.get(id);
    if (open === undefined) return;
    if (kind === FRAME.CLOSE) {
      this.#channels.delete(id);
      open.events.closed?.(rest.toString('utf8'), false);
      return;
    }
    this.#guard(open.channel, () => open.events.data?.(rest));
  }

  #opened(id: number, payload: Buffer): void {
    const { open } = this.#options;
    if (open === undefined || this.#channels.has(id) || this.#channels.size >= CHANNELS_MAX) throw new ProtocolError('an OPEN');
    const asked = parseJson(payload) as { service?: unknown; request?: unknown } | null;
    if (typeof asked?.service !== 'string') throw new ProtocolError('an OPEN of no service');
    const { service } = asked;
    const channel = this.#add(id, {});
    this.#guard(channel, () => {
      const events = open(channel, service, asked.request);
      const entry = this.#channels.get(id);
      if (entry?.channel === channel) entry.events = events;
    });
  }

  /** What a service throws is told to the one that asked; a breach of the protocol ends the connection. */
  #guard(channel: Channel, act: () => void): void {
    try {
      act();
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      channel.close((error as Error).message || 'failed');
    }
  }

  #fail(why: string): void {
    this.#why ||= why;
    this.#socket.destroy();
  }

  #ended(): void {
    const open = [...this.#channels.values()];
    this.#channels.clear();
    for (const { events } of open) events.closed?.(this.#why || 'the connection ended', true);
    this.#options.ended?.(this.#why);
  }
}
