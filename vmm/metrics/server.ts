/**
 * The HTTP endpoint of a VM: GET and HEAD of `/metrics`, and a page at `/` that leads there.
 *
 * It stands in the thread that also moves the console and the host's network, beside the VM's own, so what a client may take from it is bounded:
 *
 * - Connections: at the limit the oldest is closed for the new one, so that those who only hold theirs keep nobody out.
 * - Memory: headers of 8 KiB, bodies are not read; a connection has one answer under way, and a client that asks again before it has it all (HTTP calls
 *   it pipelining, no scraper does it) is closed.
 * - Time: so long for a request's headers, for silence in the middle of something, and between two requests.
 *
 * On a loopback address it answers only to requests for `localhost` or an address (and the name that it was told to listen on): a page that a browser has from
 * elsewhere can make its own name mean 127.0.0.1 (DNS rebinding), but it cannot send another Host than its name. It sends no CORS headers, so no other
 * page reads what it says.
 *
 * `close` ends all connections at once: nothing holds the process at the end of a run.
 *
 * Leaves out TLS, passwords and compression.
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP, type Socket } from 'node:net';
import { formatFor } from './accept.ts';
import { CONTENT_TYPES, type MetricsFormat } from './exposition.ts';
import type { ListenAddress } from './listen-address.ts';

/** What is served. */
export interface MetricsPage {
  /** Of the page at `/`. */
  readonly title: string;
  render(format: MetricsFormat): string;
}

/** What clients may take. */
export interface ServerLimits {
  readonly connections: number;
  /** Until a request's headers, and all of it, are there. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** Without a byte in either direction. */
  readonly silenceMs: number;
  /** Between two requests: longer than the usual interval of scrapes, a minute. */
  readonly keepAliveMs: number;
}

const LIMITS: ServerLimits = { connections: 64, headersMs: 5000, requestMs: 10_000, silenceMs: 10_000, keepAliveMs: 75_000 };
const HEADER_BYTES_MAX = 8192;
/** How often the times are looked at. */
const CHECK_MS = 1000;

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;
const PLAIN = 'text/plain; charset=utf-8';

export class MetricsServer {
  readonly #server: Server;
  readonly #host: string;
  readonly #connectionsMax: number;
  readonly #sockets = new Set<Socket>();
  readonly #answering = new Set<Socket>();
  #serve: (page: MetricsPage) => void = () => {};
  readonly #page = new Promise<MetricsPage>((resolve) => {
    this.#serve = resolve;
  });

  private constructor(host: string, limits: ServerLimits) {
    this.#host = host;
    this.#connectionsMax = limits.connections;
    const options = {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: Math.min(CHECK_MS, limits.headersMs),
    };
    this.#server = createServer(options, (request, response) => {
      this.#answer(request, response).catch((error: Error) => {
        // The run goes on; who scrapes is told.
        if (!response.headersSent) send(request, response, 500, { 'Content-Type': PLAIN }, `${error.stack}\n`);
        else request.socket.destroy();
      });
    });
    this.#server.timeout = limits.silenceMs;
    this.#server.on('connection', (socket: Socket) => this.#connected(socket));
  }

  /** Listens; rejects with the system's error. Requests wait for `serve`. */
  static async listen({ host, port }: ListenAddress, limits = LIMITS): Promise<MetricsServer> {
    const metrics = new MetricsServer(host, limits);
    const server = metrics.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, resolve);
    });
    server.removeAllListeners('error');
    // No descriptor left for a connection: that one is lost, not the run.
    server.on('error', () => {});
    return metrics;
  }

  get #address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  /** Whether only this host reaches it. */
  get isLoopback(): boolean {
    return LOOPBACK.test(this.#address.address);
  }

  /** Where the metrics are. */
  get url(): string {
    const { address, port, family } = this.#address;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/metrics`;
  }

  /** How many there are now. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** From now on requests are answered. */
  serve(page: MetricsPage): void {
    this.#serve(page);
  }

  /** Any number of times. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #connected(socket: Socket): void {
    const [oldest] = this.#sockets;
    if (oldest !== undefined && this.#sockets.size >= this.#connectionsMax) {
      this.#sockets.delete(oldest);
      oldest.destroy();
    }
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#answering.delete(socket);
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    if (this.#answering.has(socket)) {
      socket.destroy();
      return;
    }
    this.#answering.add(socket);
    response.once('close', () => this.#answering.delete(socket));
    const plain = { 'Content-Type': PLAIN };
    // RFC 9112, 3.2.2: a target in absolute form says the host.
    const [, authority, path] = /^(?:https?:\/\/([^/?#]*))?([^?#]*)/i.exec(request.url ?? '') ?? [];
    if (this.isLoopback && !this.#isOurs(authority ?? request.headers.host))
      send(request, response, 421, plain, 'this endpoint answers to localhost and to addresses, no other names\n');
    else if (path !== '/metrics' && path !== '/') send(request, response, 404, plain, 'not found; the metrics are at /metrics\n');
    else if (request.method !== 'GET' && request.method !== 'HEAD')
      send(request, response, 405, { ...plain, Allow: 'GET, HEAD' }, 'only GET and HEAD\n');
    else {
      const page = await this.#page;
      if (path === '/') send(request, response, 200, { 'Content-Type': 'text/html; charset=utf-8' }, htmlOf(page.title));
      else {
        const format = formatFor(request.headers.accept);
        send(request, response, 200, { 'Content-Type': CONTENT_TYPES[format], Vary: 'Accept' }, page.render(format));
      }
    }
  }

  /** An address cannot be rebound; of names there are `localhost`, and the one that was asked for. */
  #isOurs(host: string | undefined): boolean {
    // Only HTTP/1.0 may leave it out, and no browser does.
    if (host === undefined) return true;
    const name = host.replace(/:\d*$/, '').toLowerCase();
    const bare = name.replace(/^\[(.*)\]$/, '$1');
    return name === 'localhost' || name.endsWith('.localhost') || isIP(bare) !== 0 || name === this.#host.toLowerCase();
  }
}

function send(request: IncomingMessage, response: ServerResponse, status: number, headers: Record<string, string>, text: string): void {
  if (request.socket.destroyed) return;
  const body = Buffer.from(text);
  const withBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  response.writeHead(status, {
    ...headers,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    // What it sends after its headers is not read.
    ...(withBody ? { Connection: 'close' } : undefined),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function htmlOf(title: string): string {
  const text = title.replaceAll(/[&<>"]/g, (letter) => ENTITIES[letter] ?? letter);
  return `<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>${text}</title></head>\n<body><h1>${text}</h1><p><a href="/metrics">Metrics</a></p></body></html>\n`;
}
