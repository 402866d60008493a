/**
 * Ports of the host that lead to the guest.
 *
 * A peer is seen by the guest as the gateway, at the peer's own port where that is free. A connection is taken from the host at once, and opened towards
 * the guest; one that the guest refuses is reset.
 *
 * @module
 */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, isIP, type Server, type Socket } from 'node:net';
import type { HostForward } from '../options.ts';
import type { Flow } from './icmp.ts';
import type { Tcp } from './tcp.ts';
import { type Pressure, resetSocket, TcpBridge } from './tcp-bridge.ts';
import type { Udp } from './udp.ts';

/** A port that cannot be had; one line for the user. */
export class ForwardError extends Error {
  override readonly name = 'ForwardError';
}

export class Forwards {
  readonly #guest: number;
  readonly #tcp: Tcp;
  readonly #udp: Udp;
  readonly #pressure: Pressure;
  readonly #open: { close(): void }[] = [];

  constructor(guest: number, tcp: Tcp, udp: Udp, pressure: Pressure) {
    this.#guest = guest;
    this.#tcp = tcp;
    this.#udp = udp;
    this.#pressure = pressure;
  }

  /** Listens at a port; resolves to it, which is another one when 0 was asked for. Rejects with ForwardError. */
  async listen(forward: HostForward): Promise<number> {
    try {
      return await (forward.protocol === 'tcp' ? this.#listenTcp(forward) : this.#listenUdp(forward));
    } catch (error) {
      throw new ForwardError(`hostfwd=${describe(forward)}: ${why(error as NodeJS.ErrnoException, forward)}`);
    }
  }

  close(): void {
    for (const socket of this.#open) socket.close();
  }

  #listenTcp({ hostAddress, hostPort, guestPort }: HostForward): Promise<number> {
    return new Promise((resolve, reject) => {
      const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => this.#accept(socket, guestPort));
      server.once('error', reject);
      server.listen({ host: hostAddress, port: hostPort }, () => {
        server.off('error', reject);
        // An accept that fails, for want of descriptors, is the peer's loss.
        server.on('error', () => {});
        this.#open.push(server);
        resolve(portOf(server));
      });
    });
  }

  #accept(socket: Socket, guestPort: number): void {
    const open = this.#tcp.open(this.#guest, guestPort, socket.remotePort ?? 0, (made) => TcpBridge.accepted(made, socket, this.#pressure));
    if (open === undefined) resetSocket(socket);
  }

  #listenUdp({ hostAddress, hostPort, guestPort }: HostForward): Promise<number> {
    return new Promise((resolve, reject) => {
      const socket = createSocket(isIP(hostAddress) === 6 ? 'udp6' : 'udp4');
      socket.once('error', reject);
      socket.bind({ address: hostAddress, port: hostPort, exclusive: true }, () => {
        socket.off('error', reject);
        socket.on('error', () => {});
        this.#open.push(socket);
        this.#relay(socket, guestPort);
        resolve(socket.address().port);
      });
    });
  }

  #relay(socket: DatagramSocket, guestPort: number): void {
    const flows = new Map<string, Flow>();
    socket.on('message', (data, { address, port }) => {
      const peer = `${address}:${port}`;
      let flow = flows.get(peer);
      if (flow === undefined || !this.#udp.touch(flow)) {
        const send = (answer: Uint8Array): void => socket.send(Buffer.from(answer), port, address, () => {});
        flow = this.#udp.admit(this.#guest, guestPort, port, send, () => flows.delete(peer));
        flows.set(peer, flow);
      }
      this.#udp.deliver(flow.target, flow.targetPort, this.#guest, guestPort, data);
    });
  }
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function describe({ protocol, hostAddress, hostPort, guestPort }: HostForward): string {
  return `${protocol}:${isIP(hostAddress) === 6 ? `[${hostAddress}]` : hostAddress}:${hostPort}:${guestPort}`;
}

function why(error: NodeJS.ErrnoException, { protocol, hostAddress, hostPort }: HostForward): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return `${protocol} port ${hostPort} of ${hostAddress} is already in use; give another`;
    case 'EACCES':
    case 'EPERM':
      return `you may not listen at port ${hostPort}; give one from 1024 on`;
    case 'EADDRNOTAVAIL':
      return `${hostAddress} is no address of this host`;
    default:
      return `cannot listen there (${error.code ?? error.message})`;
  }
}
