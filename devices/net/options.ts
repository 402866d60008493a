/**
 * A NIC as its user describes it: plain data, which the VM's thread and the main thread both get.
 *
 * @module
 */
import type { UserNetworkOptions } from './user/options.ts';

/** A port of the host that leads to one of the guest. */
export interface HostForward {
  readonly protocol: 'tcp' | 'udp';
  /** Where the host listens; 127.0.0.1 unless told otherwise. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** `user`: the host's network through a network stack of our own. */
export interface UserNetOptions extends UserNetworkOptions {
  readonly kind: 'user';
}

export type BackendOptions =
  | UserNetOptions
  | { readonly kind: 'none' }
  /** A capture that is played to the guest. */
  | { readonly kind: 'pcap'; readonly path: string }
  /** Another VM, at the other end of a Unix-domain socket. */
  | { readonly kind: 'link'; readonly path: string };

export interface NicOptions {
  readonly backend: BackendOptions;
  /** Six bytes as `52:54:00:12:34:56`; from the seed when not given. */
  readonly mac?: string;
  /** A file to which every frame is written. */
  readonly capture?: string;
  /** Frames from another MAC address than the NIC's are dropped. */
  readonly macNospoof?: boolean;
  /** The only IP addresses, of both versions, that the guest may send from. */
  readonly allowedIps?: readonly string[];
}

/** Whether the back end is the host's network or another VM: something may come in at any time. */
export function isOutside({ backend }: NicOptions): boolean {
  return backend.kind === 'user' || backend.kind === 'link';
}

/** A MAC address that the user gave, or one of the locally administered 52:54:00 from the seed. */
export function macOf({ mac }: NicOptions, index: number, seed: number): Uint8Array {
  if (mac !== undefined) return Uint8Array.from(mac.split(':'), (digits) => Number.parseInt(digits, 16));
  let word = (seed ^ Math.imul(index + 1, 0x9e37_79b9)) >>> 0;
  word = Math.imul(word ^ (word >>> 16), 0x21f0_aaad);
  word = Math.imul(word ^ (word >>> 15), 0x735a_2d97);
  word ^= word >>> 15;
  return Uint8Array.of(0x52, 0x54, 0x00, word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff);
}
