/**
 * Ethernet frames (IEEE 802.3) as far as this network has them: addresses and types.
 *
 * @module
 */

export const ETHERTYPE = { IPV4: 0x0800, ARP: 0x0806 } as const;
export const MAC_BYTES = 6;
export const BROADCAST_MAC: Readonly<Uint8Array> = new Uint8Array(MAC_BYTES).fill(0xff);

/** The address of the network's own stations: locally administered, and made of the IP address so that a capture is easy to read. */
export function macOf(address: number): Uint8Array {
  return Uint8Array.of(0x52, 0x55, address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255);
}

/** Whether a station may have the address: neither a group's nor zero. */
export function isUnicast(bytes: Uint8Array, at: number): boolean {
  if ((bytes[at] & 1) !== 0) return false;
  for (let i = 0; i < MAC_BYTES; i++) if (bytes[at + i] !== 0) return true;
  return false;
}

export function sameMac(bytes: Uint8Array, at: number, mac: Readonly<Uint8Array>): boolean {
  for (let i = 0; i < MAC_BYTES; i++) if (bytes[at + i] !== mac[i]) return false;
  return true;
}
