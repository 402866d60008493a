/**
 * A link between two VMs: a Unix-domain socket with one of them at each end.
 *
 * Whoever comes first listens, whoever comes second connects; when either goes away, the other waits for the next one, and
 * listens itself if it was not the one who did. There is no third end: who connects while there are two is sent away, and tries again.
 *
 * As on a cable, a frame for which the other end has no room is lost: `BACKLOG_MAX` bytes wait in this process, and nobody is kept waiting.
 * What comes in waits in the socket while the guest has no room.
 *
 * @module
 */
import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { type NetBackend, NOBODY, type Offload } from './backend.ts';
import { FrameStream, framed, helloFrame } from './link-frames.ts';
import { finish, NOTHING_LEFT } from './offload.ts';

/** The socket cannot be had; why. */
export class LinkOpenError extends Error {
  override readonly name = 'LinkOpenError';
}

const BACKLOG_MAX = 2 ** 22;
const RETRY_MS = 200;
const NOTHING = new Uint8Array(0);

export interface LinkOptions {
  readonly path: string;
  readonly mac: Uint8Array;
  /** Told of what the user should know: the peer has the same address, or speaks something else. */
  readonly warn: (text: string) => void;
}

/** Opens a link: listens, or connects to who does. Throws LinkOpenError when the path is no place for a socket. */
export async function openLink(options: LinkOptions): Promise<Link> {
  const link = new Link(options);
  await link.open();
  return link;
}

export class Link implements NetBackend {
  receiver = NOBODY;
  private readonly path: string;
  private readonly mac: Uint8Array;
  private readonly warn: (text: string) => void;
  private server: Server | undefined;
  private inode = 0;
  private peer: Socket | undefined;
  private stream = new FrameStream();
  private retry: NodeJS.Timeout | undefined;
  private closed = false;
  private warned = false;

  constructor({ path, mac, warn }: LinkOptions) {
    this.path = path;
    this.mac = mac;
    this.warn = warn;
  }

  /** Finds the other end, or becomes the one that is found. */
  async open(): Promise<void> {
    for (let attempt = 0; attempt < 3; attempt++) {
      if (await this.listen()) return;
      if (await this.connect()) return;
      this.removeStale();
    }
    // Others are about the same: they will have come to an end of it by then.
    this.later();
  }

  /** Listens; false when somebody does or did. */
  private listen(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => {
        if (this.peer === undefined) this.adopt(socket);
        else socket.destroy();
      });
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') resolve(false);
        else reject(new LinkOpenError(whyNot(error, this.path)));
      });
      server.listen(this.path, () => {
        if (this.closed) server.close();
        this.server = server;
        this.inode = inodeOf(this.path);
        resolve(true);
      });
    });
  }

  /** Connects; false when nobody listens there. */
  private connect(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.path);
      socket.once('connect', () => {
        this.adopt(socket);
        resolve(true);
      });
      socket.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT' || error.code === 'EAGAIN') resolve(false);
        else reject(new LinkOpenError(whyNot(error, this.path)));
      });
    });
  }

  /** A socket that nobody listens on any more is in the way. Nothing else is touched. */
  private removeStale(): void {
    const stat = lstatSync(this.path, { throwIfNoEntry: false });
    if (stat === undefined) return;
    if (!stat.isSocket()) throw new LinkOpenError('is there, and is no socket; give another path');
    unlinkSync(this.path);
  }

  /** Takes a connection as the other end. */
  private adopt(socket: Socket): void {
    this.peer = socket;
    this.stream = new FrameStream();
    socket.write(framed(helloFrame(this.mac), undefined));
    socket.on('data', (bytes: Uint8Array) => this.take(bytes));
    socket.on('error', () => {});
    socket.on('close', () => this.lost(socket));
  }

  private take(bytes: Uint8Array): void {
    try {
      this.stream.take(bytes, (frame, offload) => this.offer(frame, offload));
    } catch (error) {
      this.warn(`sent away who connected: ${(error as Error).message} is none that a NIC sends`);
      this.peer?.destroy();
      return;
    }
    const { peer } = this.stream;
    if (peer === undefined || this.warned || !peer.every((byte, i) => byte === this.mac[i])) return;
    this.warned = true;
    this.warn('both ends have the same MAC address; give one of them another with mac= or --seed');
  }

  private offer(frame: Uint8Array, offload: Readonly<Offload>): boolean {
    if (this.receiver(frame, offload)) return true;
    this.peer?.pause();
    return false;
  }

  private lost(socket: Socket): void {
    if (this.peer !== socket) return;
    this.peer = undefined;
    if (!this.closed && this.server === undefined) this.later();
  }

  private later(): void {
    this.retry = setTimeout(() => {
      if (!this.closed) this.open().catch((error: Error) => this.warn(error.message));
    }, RETRY_MS);
    this.retry.unref();
  }

  send(frame: Uint8Array, offload: Readonly<Offload>): void {
    const { peer } = this;
    if (peer === undefined || peer.writableLength > BACKLOG_MAX) return;
    if (this.stream.peer !== undefined) {
      peer.write(framed(frame, offload));
      return;
    }
    const plain = (finished: Uint8Array): boolean => {
      peer.write(framed(finished, undefined));
      return true;
    };
    finish(frame, offload, NOTHING_LEFT, plain, () => {});
  }

  ready(): void {
    if (this.peer?.isPaused() !== true) return;
    this.peer.resume();
    this.take(NOTHING);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.retry);
    // The name goes with the server, unless another has taken it.
    if (this.server !== undefined && inodeOf(this.path) !== this.inode) this.server.unref();
    else this.server?.close();
    this.peer?.end();
    this.peer?.unref();
  }
}

function inodeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.ino ?? 0;
}

function whyNot({ code, message }: NodeJS.ErrnoException, path: string): string {
  // The event loop's library calls a missing folder EACCES.
  if (code !== 'EINVAL' && !existsSync(dirname(path))) return 'its folder does not exist';
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'you may not make or use a socket there';
    case 'ENOTSOCK':
      return 'is there, and is no socket; give another path';
    case 'EINVAL':
    case 'ENAMETOOLONG':
      return 'is too long for a socket; at most 107 characters';
    default:
      return code ?? message;
  }
}
