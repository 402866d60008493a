/**
 * Doing what the sender of a frame left to be done: the checksum, and the cutting of a long TCP segment into those of the wire.
 *
 * Specification: virtio 1.2, 5.1.6.2 (what the driver leaves, and in what form); RFC 1071 (Internet checksum), RFC 791 and 8200 (lengths and
 * identification), RFC 9293 (sequence numbers and flags), RFC 3168 (CWR is the first segment's alone).
 *
 * Header lengths are read from the headers themselves: the sender's `headerBytes` is a hint that may be wrong. A frame whose headers do not hold together cannot be
 * finished, and is dropped by who asked.
 *
 * @module
 */
import { ETHERNET_BYTES, FRAME_MAX, GSO, GSO_ECN, type Offload, PLAIN } from './backend.ts';

/** Bytes of the header that carries an `Offload`: virtio_net_hdr without its num_buffers (5.1.6). */
export const OFFLOAD_BYTES = 10;
const NEEDS_CSUM = 1;
const DATA_VALID = 2;

export function putOffload(view: DataView, at: number, offload: Readonly<Offload>): void {
  view.setUint8(at, (offload.checksumNeeded ? NEEDS_CSUM : 0) | (offload.checksumValid ? DATA_VALID : 0));
  view.setUint8(at + 1, offload.gso | (offload.ecn ? GSO_ECN : 0));
  view.setUint16(at + 2, offload.headerBytes, true);
  view.setUint16(at + 4, offload.segmentBytes, true);
  view.setUint16(at + 6, offload.checksumStart, true);
  view.setUint16(at + 8, offload.checksumOffset, true);
}

export function getOffload(view: DataView, at: number): Offload {
  const flags = view.getUint8(at);
  const gso = view.getUint8(at + 1);
  return {
    checksumNeeded: (flags & NEEDS_CSUM) !== 0,
    checksumValid: (flags & DATA_VALID) !== 0,
    gso: gso & ~GSO_ECN,
    ecn: (gso & GSO_ECN) !== 0,
    headerBytes: view.getUint16(at + 2, true),
    segmentBytes: view.getUint16(at + 4, true),
    checksumStart: view.getUint16(at + 6, true),
    checksumOffset: view.getUint16(at + 8, true),
  };
}

/** Whether what is left to be done can be done to a frame of so many bytes. */
export function sound(offload: Readonly<Offload>, bytes: number): boolean {
  if (offload.checksumNeeded && offload.checksumStart + offload.checksumOffset + 2 > bytes) return false;
  if (offload.gso === GSO.NONE) return !offload.ecn;
  return (offload.gso === GSO.TCPV4 || offload.gso === GSO.TCPV6) && offload.checksumNeeded && offload.segmentBytes > 0;
}

/** Sum of 16-bit big-endian words, an odd last byte as the high one of its word; not yet folded. `sum` is below 2^48. */
export function sumWords(bytes: Uint8Array, from: number, to: number, sum = 0): number {
  const even = to - ((to - from) & 1);
  let total = sum;
  for (let i = from; i < even; i += 2) total += ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
  return even < to ? total + ((bytes[even] as number) << 8) : total;
}

/** The 16 bits that go into a header. */
export function foldSum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x1_0000) + Math.floor(folded / 0x1_0000);
  return ~folded & 0xffff;
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}

function get16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function get32(bytes: Uint8Array, at: number): number {
  return (get16(bytes, at) * 0x1_0000 + get16(bytes, at + 2)) >>> 0;
}

/** Completes the checksum in place. */
function completeChecksum(frame: Uint8Array, { checksumStart, checksumOffset }: Readonly<Offload>): void {
  // A sum of 0 is written as FFFFh: for UDP a 0 would mean that there is none, for TCP both are the same number.
  put16(frame, checksumStart + checksumOffset, foldSum(sumWords(frame, checksumStart, frame.length)) || 0xffff);
}

/** What a receiver takes as it is. */
export interface Finish {
  readonly checksum: boolean;
  readonly tcp4: boolean;
  readonly tcp6: boolean;
  readonly ecn: boolean;
}

/** A receiver of plain frames. */
export const NOTHING_LEFT: Finish = { checksum: false, tcp4: false, tcp6: false, ecn: false };

const scratch = new Uint8Array(FRAME_MAX);
const ONLY_VALID: Readonly<Offload> = { ...PLAIN, checksumValid: true };

/**
 * Does to a frame what its receiver does not take, and emits it, or the several that it becomes. `emit` returns whether the receiver had room: when it had
 * none for the first one, nothing was emitted and false is returned. Those behind the first are lost then, as on a wire. A frame that cannot be
 * finished goes to `bad`. The frame itself is not changed.
 */
export function finish(
  frame: Uint8Array,
  offload: Readonly<Offload>,
  takes: Finish,
  emit: (frame: Uint8Array, offload: Readonly<Offload>) => boolean,
  bad: () => void,
): boolean {
  if (!offload.checksumNeeded && offload.gso === GSO.NONE) return emit(frame, offload.checksumValid && !takes.checksum ? PLAIN : offload);
  if (frame.length > FRAME_MAX || !sound(offload, frame.length)) {
    bad();
    return true;
  }
  if (offload.gso !== GSO.NONE) {
    const whole = takes.checksum && (offload.gso === GSO.TCPV4 ? takes.tcp4 : takes.tcp6) && (takes.ecn || !offload.ecn);
    return whole ? emit(frame, offload) : segment(frame, offload, takes.checksum, emit, bad);
  }
  if (takes.checksum) return emit(frame, offload);
  const copy = scratch.subarray(0, frame.length);
  copy.set(frame);
  completeChecksum(copy, offload);
  return emit(copy, PLAIN);
}

/** Where the headers of a TCP segment are. */
interface Headers {
  readonly ip: number;
  readonly version: 4 | 6;
  readonly tcp: number;
  readonly payload: number;
}

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const ETHERTYPE_VLAN = 0x8100;
const ETHERTYPE_QINQ = 0x88a8;
const IPPROTO_TCP = 6;
/** Extension headers that may stand before TCP: hop-by-hop options, routing, destination options (RFC 8200, 4). */
const EXTENSIONS: readonly number[] = [0, 43, 60];
const VLAN_BYTES = 4;

/** Offset of the network header and its EtherType, behind any VLAN tags. */
export function networkHeader(frame: Uint8Array): { readonly type: number; readonly at: number } {
  let at = ETHERNET_BYTES;
  let type = frame.length < at ? 0 : get16(frame, at - 2);
  while ((type === ETHERTYPE_VLAN || type === ETHERTYPE_QINQ) && frame.length >= at + VLAN_BYTES) {
    type = get16(frame, at + 2);
    at += VLAN_BYTES;
  }
  return { type, at };
}

function headersOf(frame: Uint8Array): Headers | undefined {
  const { type, at } = networkHeader(frame);
  const version = type === ETHERTYPE_IPV4 ? 4 : type === ETHERTYPE_IPV6 ? 6 : undefined;
  if (version === undefined) return undefined;
  const tcp = version === 4 ? behindIpv4(frame, at) : behindIpv6(frame, at);
  if (tcp === undefined || tcp + 20 > frame.length) return undefined;
  const payload = tcp + ((frame[tcp + 12] as number) >> 4) * 4;
  return payload >= tcp + 20 && payload < frame.length ? { ip: at, version, tcp, payload } : undefined;
}

function behindIpv4(frame: Uint8Array, at: number): number | undefined {
  if (frame.length < at + 20 || frame[at + 9] !== IPPROTO_TCP) return undefined;
  const bytes = ((frame[at] as number) & 15) * 4;
  return bytes >= 20 ? at + bytes : undefined;
}

function behindIpv6(frame: Uint8Array, at: number): number | undefined {
  let next = frame[at + 6];
  let place = at + 40;
  while (next !== undefined && EXTENSIONS.includes(next) && place + 8 <= frame.length) {
    next = frame[place];
    place += 8 * ((frame[place + 1] as number) + 1);
  }
  return next === IPPROTO_TCP ? place : undefined;
}

const FIN_PSH = 0x09;
const CWR = 0x80;

/** Cuts a TCP segment. `leave`: the receiver sums itself. */
function segment(
  frame: Uint8Array,
  offload: Readonly<Offload>,
  leave: boolean,
  emit: (frame: Uint8Array, offload: Readonly<Offload>) => boolean,
  bad: () => void,
): boolean {
  const headers = headersOf(frame);
  if (headers === undefined || (headers.version === 4) !== (offload.gso === GSO.TCPV4)) {
    bad();
    return true;
  }
  const { tcp, payload } = headers;
  const sequence = get32(frame, tcp + 4);
  const flags = frame[tcp + 13] as number;
  for (let at = payload, index = 0; at < frame.length; at += offload.segmentBytes, index++) {
    const end = Math.min(at + offload.segmentBytes, frame.length);
    const out = scratch.subarray(0, payload + end - at);
    out.set(frame.subarray(0, payload));
    out.set(frame.subarray(at, end), payload);
    const dropped = (end < frame.length ? FIN_PSH : 0) | (index > 0 ? CWR : 0);
    out[tcp + 13] = flags & ~dropped;
    new DataView(out.buffer).setUint32(tcp + 4, (sequence + at - payload) >>> 0);
    setLengths(out, headers, index);
    put16(out, tcp + 16, 0);
    put16(out, tcp + 16, foldSum(sumWords(out, tcp, out.length, pseudoSum(out, headers))) || 0xffff);
    if (!emit(out, leave ? ONLY_VALID : PLAIN)) return index > 0;
  }
  return true;
}

/** Lengths of a segment, and its identification and checksum with IPv4. */
function setLengths(out: Uint8Array, { ip, version }: Headers, index: number): void {
  if (version === 6) {
    put16(out, ip + 4, out.length - ip - 40);
    return;
  }
  put16(out, ip + 2, out.length - ip);
  put16(out, ip + 4, get16(out, ip + 4) + index);
  put16(out, ip + 10, 0);
  put16(out, ip + 10, foldSum(sumWords(out, ip, ip + ((out[ip] as number) & 15) * 4)));
}

/** Sum of the pseudo header (RFC 9293, 3.1; RFC 8200, 8.1). */
function pseudoSum(out: Uint8Array, { ip, version, tcp }: Headers): number {
  const addresses = version === 4 ? sumWords(out, ip + 12, ip + 20) : sumWords(out, ip + 8, ip + 40);
  return addresses + IPPROTO_TCP + (out.length - tcp);
}
