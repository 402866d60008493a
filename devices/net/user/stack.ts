/**
 * User-mode networking: a small net of its own, on which a guest finds a router, a DHCP server and a name server, and behind them the host's network
 * through ordinary sockets of this process.
 *
 * On the net are the guest (10.0.2.15 by DHCP), the gateway (10.0.2.2, which is also the host's loopback address) and the name server (10.0.2.3), as users
 * of QEMU know them. The stack ends every protocol itself: it is the other end of the guest's TCP connections (`tcp-connection.ts`) and joins each with a
 * socket of the host (`tcp-bridge.ts`), it makes a socket for each flow of UDP (`udp.ts`), answers ARP, DHCP and echoes to its own stations, and asks the
 * host's resolvers in the guest's name. Nothing needs privileges, and nothing from outside reaches the guest but answers and what `hostfwd` admits.
 *
 * It lives where the event loop is, the main thread, and is the only back end with timers and promises: the guest sees host time here as it does on any
 * network. Frames go in by `send` and out by `receiver`, whole segments of up to 64 KB both ways (`backend.ts`). A receiver without room stops TCP until
 * `ready`; datagrams are lost. Every table has an end: connections, flows, fragments, queries, bytes that wait, so a hostile guest gets poor
 * service, not the host's memory.
 *
 * Left out: IPv6, whose frames are ignored, so guests find no router of it and use IPv4; echoes to the outside, which need a privilege and are refused by
 * ICMP; TCP's selective acknowledgements, timestamps and urgent pointer; multicast.
 *
 * @module
 */
import { type NetBackend, NOBODY, type Offload, PLAIN } from '../backend.ts';
import { LIMITED_BROADCAST, parseAddress, Subnet } from './address.ts';
import { Arp } from './arp.ts';
import { Dhcp, DHCP_AT, DHCP_CLIENT_PORT, DHCP_SERVER_PORT } from './dhcp.ts';
import { Dns, DNS_PORT } from './dns.ts';
import { ETHERTYPE, MAC_BYTES } from './ethernet.ts';
import { Forwards } from './forward.ts';
import { HostNames } from './host-names.ts';
import { Icmp, UNREACHABLE } from './icmp.ts';
import { emptyPacket, Ipv4, type Packet, PROTOCOL, readPacket } from './ipv4.ts';
import type { UserNetworkOptions } from './options.ts';
import { codeOf, reach } from './reach.ts';
import { Reassembly } from './reassembly.ts';
import { Tcp } from './tcp.ts';
import { Pressure, TcpBridge } from './tcp-bridge.ts';
import type { TcpConnection } from './tcp-connection.ts';
import { type Datagram, Udp } from './udp.ts';

export const MTU = 1500;
const UDP_HEADER_BYTES = 8;
const TICK_MS = 100;
/** Sockets of the host for TCP; some may outlive their connections. */
const SOCKETS_MAX = 4096;

export class UserNetwork implements NetBackend {
  receiver = NOBODY;
  readonly #subnet: Subnet;
  readonly #restrict: boolean;
  readonly #arp: Arp;
  readonly #ip: Ipv4;
  readonly #icmp: Icmp;
  readonly #udp: Udp;
  readonly #tcp: Tcp;
  readonly #dhcp: Dhcp;
  readonly #dns: Dns;
  readonly #names: HostNames;
  readonly #forwards: Forwards;
  readonly #options: UserNetworkOptions;
  readonly #pressure = new Pressure();
  readonly #reassembly = new Reassembly();
  readonly #packet = emptyPacket();
  #ticking: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: UserNetworkOptions, names?: HostNames) {
    const now = (): number => performance.now();
    this.#options = options;
    this.#restrict = options.restrict;
    const { network = '10.0.2.0', prefix = 24, gateway = '10.0.2.2', dns = '10.0.2.3', dhcpStart = '10.0.2.15' } = options;
    const subnet = new Subnet(addressOf(network), prefix, addressOf(gateway), addressOf(dns));
    this.#subnet = subnet;
    this.#arp = new Arp(
      subnet,
      (frame) => this.#output(frame, PLAIN),
      () => this.#learned(),
    );
    this.#ip = new Ipv4(subnet, MTU, this.#arp, (frame, offload) => this.#output(frame, offload));
    this.#icmp = new Icmp(subnet, this.#ip);
    this.#udp = new Udp(subnet, this.#ip, this.#icmp, (datagram) => this.#serve(datagram), options.restrict, now);
    this.#tcp = new Tcp(subnet, this.#ip, this.#icmp, (connection) => this.#connect(connection), now);
    const first = addressOf(dhcpStart);
    this.#dhcp = new Dhcp({ subnet, first, mtu: MTU, hostName: options.hostName, domain: options.domain, restrict: options.restrict });
    this.#names = names ?? new HostNames(now);
    this.#dns = new Dns(this.#names, subnet.gateway);
    this.#forwards = new Forwards(first, this.#tcp, this.#udp, this.#pressure);
  }

  /** Connections and flows that there are. */
  get size(): number {
    return this.#tcp.size + this.#udp.size + this.#reassembly.size;
  }

  /** Opens the forwarded ports; resolves to them. Rejects with ForwardError when one cannot be had; then the network is closed. */
  async listen(): Promise<number[]> {
    const ports: number[] = [];
    try {
      for (const forward of this.#options.forwards) ports.push(await this.#forwards.listen(forward));
    } catch (error) {
      this.close();
      throw error;
    }
    return ports;
  }

  send(frame: Uint8Array, offload: Readonly<Offload>): void {
    if (this.#closed || frame.length < 2 * MAC_BYTES + 2) return;
    const type = (frame[12] << 8) | frame[13];
    if (type === ETHERTYPE.ARP) this.#arp.input(frame);
    else if (type === ETHERTYPE.IPV4 && readPacket(frame, offload, this.#packet)) this.#route(this.#packet);
    if (this.#ticking === undefined) this.#startTicking();
  }

  ready(): void {
    this.#tcp.ready();
  }

  #learned(): void {
    this.#ip.learned();
    this.#tcp.ready();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#ticking);
    this.#forwards.close();
    this.#tcp.close();
    this.#udp.close();
  }

  #output(frame: Uint8Array, offload: Readonly<Offload>): boolean {
    if (this.#closed) return true;
    if (this.#ticking === undefined) this.#startTicking();
    return this.receiver(frame, offload);
  }

  #startTicking(): void {
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
    this.#ticking.unref();
  }

  #tick(): void {
    const now = performance.now();
    this.#tcp.tick(now);
    this.#udp.expire(now);
    this.#reassembly.expire(now);
    if (this.size > 0) return;
    clearInterval(this.#ticking);
    this.#ticking = undefined;
  }

  #route(packet: Packet): void {
    const { source, target } = packet;
    if (this.#subnet.isGuest(source)) this.#arp.learn(source, packet.frame, MAC_BYTES);
    else if (source !== 0 || packet.protocol !== PROTOCOL.UDP) return;
    if ((packet.moreFragments || packet.fragmentOffset > 0) && !this.#reassembly.add(packet, performance.now())) return;
    if (packet.ttl <= 1 && !this.#subnet.has(target) && target !== LIMITED_BROADCAST) {
      this.#icmp.timeExceeded(packet);
      return;
    }
    if (packet.protocol === PROTOCOL.TCP) this.#tcp.input(packet);
    else if (packet.protocol === PROTOCOL.UDP) this.#udp.input(packet);
    else if (packet.protocol === PROTOCOL.ICMP) this.#icmp.input(packet);
  }

  /** Services of the net itself, and what comes from nobody's address yet. */
  #serve(datagram: Datagram): boolean {
    const { source, sourcePort, target, targetPort, data } = datagram;
    const toAll = target === LIMITED_BROADCAST || target === this.#subnet.broadcast;
    if (targetPort === DHCP_SERVER_PORT && (toAll || target === this.#subnet.gateway)) {
      this.#answerDhcp(data);
      return true;
    }
    if (source === 0) return true;
    if (target !== this.#subnet.dns || targetPort !== DNS_PORT || this.#restrict) return false;
    this.#dns.query(data, (message) => this.#udp.deliver(target, DNS_PORT, source, sourcePort, message));
    return true;
  }

  #answerDhcp(message: Uint8Array): void {
    const reply = this.#dhcp.answer(message, this.#ip.frame, DHCP_AT);
    if (reply === undefined) return;
    const { gateway } = this.#subnet;
    this.#udp.header(gateway, DHCP_SERVER_PORT, reply.address, DHCP_CLIENT_PORT, reply.length);
    this.#ip.sendTo(reply.mac, gateway, reply.address, PROTOCOL.UDP, UDP_HEADER_BYTES + reply.length, this.#udp.offload);
  }

  /** The host's side of a connection that the guest asks for. */
  #connect(connection: TcpConnection): void {
    const { local, localPort } = connection.addresses;
    const resolver = local === this.#subnet.dns && localPort === DNS_PORT && !this.#restrict ? this.#names.servers[0] : undefined;
    const host = resolver ?? reach(this.#subnet, this.#restrict, local);
    if (host === UNREACHABLE.PORT) connection.abort();
    else if (typeof host === 'number') this.#tcp.unreachable(connection, host);
    else if (this.#pressure.sockets >= SOCKETS_MAX) connection.drop();
    else this.#bridge(connection, host, localPort);
  }

  #bridge(connection: TcpConnection, host: string, port: number): void {
    TcpBridge.connected(connection, host, port, this.#pressure, (error) => {
      const code = codeOf(error);
      if (code === undefined || code === UNREACHABLE.PORT) connection.abort();
      else this.#tcp.unreachable(connection, code);
    });
  }
}

function addressOf(text: string): number {
  const address = parseAddress(text);
  if (address === undefined) throw new RangeError(`${text} is no IPv4 address`);
  return address;
}
