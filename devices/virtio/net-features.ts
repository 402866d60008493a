/**
 * The feature bits of a virtio network device (virtio 1.2, 5.1.3), and which of them go together (5.1.3.1).
 *
 * @module
 */
export const F_CSUM = 0;
export const F_GUEST_CSUM = 1;
export const F_CTRL_GUEST_OFFLOADS = 2;
export const F_MTU = 3;
export const F_MAC = 5;
export const F_GUEST_TSO4 = 7;
export const F_GUEST_TSO6 = 8;
export const F_GUEST_ECN = 9;
export const F_HOST_TSO4 = 11;
export const F_HOST_TSO6 = 12;
export const F_HOST_ECN = 13;
export const F_MRG_RXBUF = 15;
export const F_STATUS = 16;
export const F_CTRL_VQ = 17;
export const F_CTRL_RX = 18;
export const F_CTRL_VLAN = 19;
export const F_CTRL_RX_EXTRA = 20;
export const F_GUEST_ANNOUNCE = 21;
export const F_CTRL_MAC_ADDR = 23;
export const F_SPEED_DUPLEX = 63;

export const FEATURES: readonly number[] = [
  F_CSUM,
  F_GUEST_CSUM,
  F_CTRL_GUEST_OFFLOADS,
  F_MTU,
  F_MAC,
  F_GUEST_TSO4,
  F_GUEST_TSO6,
  F_GUEST_ECN,
  F_HOST_TSO4,
  F_HOST_TSO6,
  F_HOST_ECN,
  F_MRG_RXBUF,
  F_STATUS,
  F_CTRL_VQ,
  F_CTRL_RX,
  F_CTRL_VLAN,
  F_CTRL_RX_EXTRA,
  F_GUEST_ANNOUNCE,
  F_CTRL_MAC_ADDR,
  F_SPEED_DUPLEX,
];
/** What each feature needs (5.1.3.1): one of these. */
const NEEDS: readonly (readonly [feature: number, oneOf: readonly number[]])[] = [
  [F_GUEST_TSO4, [F_GUEST_CSUM]],
  [F_GUEST_TSO6, [F_GUEST_CSUM]],
  [F_GUEST_ECN, [F_GUEST_TSO4, F_GUEST_TSO6]],
  [F_HOST_TSO4, [F_CSUM]],
  [F_HOST_TSO6, [F_CSUM]],
  [F_HOST_ECN, [F_HOST_TSO4, F_HOST_TSO6]],
  [F_CTRL_RX, [F_CTRL_VQ]],
  [F_CTRL_VLAN, [F_CTRL_VQ]],
  [F_CTRL_RX_EXTRA, [F_CTRL_VQ]],
  [F_GUEST_ANNOUNCE, [F_CTRL_VQ]],
  [F_CTRL_MAC_ADDR, [F_CTRL_VQ]],
  [F_CTRL_GUEST_OFFLOADS, [F_CTRL_VQ]],
];
/** What CTRL_GUEST_OFFLOADS switches (5.1.6.5.6), by the features' own bits. */
const GUEST_OFFLOADS: readonly number[] = [F_GUEST_CSUM, F_GUEST_TSO4, F_GUEST_TSO6, F_GUEST_ECN];

/** Whether accepted features go together. */
export function fit(has: (feature: number) => boolean): boolean {
  return NEEDS.every(([feature, oneOf]) => !has(feature) || oneOf.some(has));
}

/** Bits of GUEST_OFFLOADS that are accepted. */
export function guestOffloads(has: (feature: number) => boolean): number {
  return GUEST_OFFLOADS.reduce((bits, feature) => (has(feature) ? bits | (1 << feature) : bits), 0);
}
