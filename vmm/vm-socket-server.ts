/**
 * A VM's socket, the VM's side: lives in the main thread of the process, so that whoever asks costs the guest nothing.
 *
 * The socket is bound under a name that clients do not look for and renamed once it listens: one of the public name that refuses a connection is
 * therefore dead, never young. It keeps no process alive.
 *
 * @module
 */
import { renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { isAlive, type VmSocketPlace, vmSockets } from './runtime-directory.ts';
import { type Channel, type ChannelEvents, Link, PROTOCOL_VERSION, REQUEST_MAX, type VmHello } from './vm-socket.ts';

/** Answers one channel. `request` is the client's JSON, to be checked; throw an Error to refuse with its message. */
export type VmService = (channel: Channel, request: unknown) => ChannelEvents;

/** Clients that may be connected; more are turned away. */
const CLIENTS_MAX = 128;

export class VmServer {
  readonly #server: Server;
  readonly #socket: VmSocketPlace;
  readonly #who: Omit<VmHello, 'protocol' | 'services'>;
  readonly #services = new Map<string, VmService>();
  readonly #links = new Set<Link>();

  private constructor(socket: VmSocketPlace, who: Omit<VmHello, 'protocol' | 'services'>) {
    this.#socket = socket;
    this.#who = who;
    this.#server = createServer((client) => this.#connected(client));
    this.#server.maxConnections = CLIENTS_MAX;
    this.#server.unref();
  }

  /** Listens; resolves when clients can find it. Throws the system's error. */
  static async open(
    socket: VmSocketPlace,
    who: Omit<VmHello, 'protocol' | 'services'>,
    services: Readonly<Record<string, VmService>>,
  ): Promise<VmServer> {
    const server = new VmServer(socket, who);
    for (const [name, service] of Object.entries(services)) server.register(name, service);
    await server.#listen();
    return server;
  }

  async #listen(): Promise<void> {
    const directory = dirname(this.#socket.path);
    const unfinished = join(directory, `.${this.#socket.name}`);
    // Left by a process that had our pid.
    rmSync(unfinished, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ path: unfinished, backlog: CLIENTS_MAX }, resolve);
    });
    // Of what accept() may fail with, nothing concerns the guest: that client is not served.
    this.#server.on('error', () => {});
    renameSync(unfinished, this.#socket.path);
    for (const { pid, path } of vmSockets(directory)) if (!isAlive(pid)) rmSync(path, { force: true });
  }

  /** Adds a service. Clients that are connected may open it too. */
  register(name: string, service: VmService): void {
    this.#services.set(name, service);
  }

  #connected(client: Socket): void {
    client.unref();
    const link = new Link(client, {
      limit: REQUEST_MAX,
      open: (channel, name, request) => {
        const service = this.#services.get(name);
        if (service === undefined) throw new Error(`there is no service ${JSON.stringify(name.slice(0, 40))}`);
        return service(channel, request);
      },
      ended: () => this.#links.delete(link),
    });
    this.#links.add(link);
    link.sendHello({ protocol: PROTOCOL_VERSION, ...this.#who, services: [...this.#services.keys()] });
  }

  /** Ends all connections and removes the socket, at once. */
  close(): void {
    rmSync(this.#socket.path, { force: true });
    this.#server.close();
    for (const link of this.#links) link.destroy();
  }
}
