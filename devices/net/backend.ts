/**
 * What stands behind a NIC: where the guest's frames go, and where frames for it come from.
 *
 * A frame is Ethernet without preamble and check sequence, with what its sender left to be done: `Offload` means what virtio_net_hdr means
 * (virtio 1.2, 5.1.6). So a TCP segment of 64 KB passes whole, and its checksum is computed only where somebody looks at it. A back end that needs
 * plain frames finishes them with `finish` of `offload.ts`; one that makes frames may leave work to the guest in the same way: the NIC does what
 * its driver did not negotiate.
 *
 * Everything is synchronous, and no array that is handed over may be kept: it is the guest's memory, or a ring's. The device sits at one end, in the
 * VM's thread; a back end that needs the event loop (`user`, `link`) sits behind a pair of frame rings (`frame-ring.ts`) in the main thread and has
 * the same interface there.
 *
 * @module
 */

import type { Saveable } from '../../vmm/bus.ts';

/** Kinds of segmentation left to be done (5.1.6): none, TCP over IPv4, fragments of UDP, UDP in segments, TCP over IPv6. */
export const GSO = { NONE: 0, TCPV4: 1, UDP: 3, TCPV6: 4, UDP_L4: 5 } as const;
/** With a TCP kind: the first segment alone carries CWR. */
export const GSO_ECN = 0x80;

/** What is left to be done to a frame. */
export interface Offload {
  /** The checksum is not there yet: the sum of all from `checksumStart` on belongs `checksumOffset` bytes further. The pseudo header's sum stands in its place. */
  checksumNeeded: boolean;
  /** The sender vouches for the checksum; it need not be looked at. */
  checksumValid: boolean;
  checksumStart: number;
  checksumOffset: number;
  /** One of `GSO`. */
  gso: number;
  /** The segmentation is one with GSO_ECN. */
  ecn: boolean;
  /** Payload of each segment but the last. */
  segmentBytes: number;
  /** Bytes of all headers before the payload; a hint, which may be wrong. */
  headerBytes: number;
}

/** Nothing is left to be done. */
export const PLAIN: Readonly<Offload> = Object.freeze({
  checksumNeeded: false,
  checksumValid: false,
  checksumStart: 0,
  checksumOffset: 0,
  gso: GSO.NONE,
  ecn: false,
  segmentBytes: 0,
  headerBytes: 0,
});

/** Header of Ethernet: destination, source, type. */
export const ETHERNET_BYTES = 14;
/** No frame is longer: 64 KB of IP behind Ethernet and one VLAN tag. */
export const FRAME_MAX = 65535 + ETHERNET_BYTES + 4;

/** Takes a frame for the guest. False: there is no room now; who offers it keeps it, and offers it again when `ready` is called. */
export type Receiver = (frame: Uint8Array, offload: Readonly<Offload>) => boolean;

export interface NetBackend {
  /** A frame from the guest. */
  send(frame: Uint8Array, offload: Readonly<Offload>): void;
  /** Where frames for the guest go; set by who stands before the back end, before anything is sent. */
  receiver: Receiver;
  /** The receiver has room again. */
  ready(): void;
  /** Writes out what it has gathered. */
  flush?(): void;
  /** Lets go of everything outside: sockets, files. */
  close(): void;
  /** What is the VM's own of its state, and of its time. */
  readonly saveable?: Saveable;
}

/** A receiver for a back end that is not connected yet. */
export const NOBODY: Receiver = () => true;
