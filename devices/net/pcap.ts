/**
 * Capture files: pcap in its four forms, and pcapng, read; pcap with nanoseconds, written.
 *
 * Specification: draft-ietf-opsawg-pcap (file header, packet records; magic numbers of microseconds and nanoseconds in both byte orders);
 * draft-ietf-opsawg-pcapng (section header, interface description, enhanced and simple packet blocks, option if_tsresol).
 *
 * Left out: link types other than Ethernet, interface statistics, name resolution, decryption secrets and all other blocks (skipped), if_tsoffset.
 *
 * @module
 */

/** A file that is no capture, or a damaged one; what is wrong with it. */
export class PcapError extends Error {
  override readonly name = 'PcapError';
}

/** One frame of a capture. */
export interface Captured {
  /** Since the first frame; never before the frame that stands before it. */
  readonly ns: number;
  readonly frame: Uint8Array;
}

const MICROSECONDS = 0xa1b2_c3d4;
const NANOSECONDS = 0xa1b2_3c4d;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET = 1;
/** Longer than any frame that a program captures. */
const RECORD_MAX = 0x4_0000;

/** Reads a capture. Throws PcapError. */
export function readCapture(bytes: Uint8Array): Captured[] {
  if (bytes.length < 4) throw new PcapError('is no capture: too short for pcap or pcapng');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0) === SECTION) return readPcapng(bytes, view);
  for (const little of [true, false]) {
    const magic = view.getUint32(0, little);
    if (magic === MICROSECONDS || magic === NANOSECONDS) return readPcap(bytes, view, little, magic === NANOSECONDS ? 1 : 1000);
  }
  throw new PcapError('is no capture: neither pcap nor pcapng');
}

/** Frames in their order, with times from the first one on. */
class Frames {
  readonly list: Captured[] = [];
  private first = 0n;
  private last = 0;

  add(ns: bigint, frame: Uint8Array): void {
    if (this.list.length === 0) this.first = ns;
    // Captures of several processors are not always in order: a frame is not played before the one that stands before it.
    this.last = Math.max(this.last, Number(ns - this.first));
    this.list.push({ ns: this.last, frame });
  }
}

function checkLinkType(type: number): void {
  if (type !== ETHERNET) throw new PcapError(`was captured on link type ${type}; only Ethernet (1) can be played`);
}

function readPcap(bytes: Uint8Array, view: DataView, little: boolean, unit: number): Captured[] {
  if (bytes.length < FILE_HEADER) throw new PcapError('ends within its header');
  checkLinkType(view.getUint32(20, little) & 0x0fff_ffff);
  const frames = new Frames();
  for (let at = FILE_HEADER; at < bytes.length; ) {
    const number = frames.list.length + 1;
    if (at + RECORD_HEADER > bytes.length) throw new PcapError(`ends within frame ${number} (byte ${at})`);
    const length = view.getUint32(at + 8, little);
    if (length > RECORD_MAX) throw new PcapError(`frame ${number} (byte ${at}) has a length of ${length}: the file is damaged`);
    const end = at + RECORD_HEADER + length;
    if (end > bytes.length) throw new PcapError(`ends within frame ${number} (byte ${at})`);
    const ns = BigInt(view.getUint32(at, little)) * 1_000_000_000n + BigInt(view.getUint32(at + 4, little) * unit);
    frames.add(ns, bytes.subarray(at + RECORD_HEADER, end));
    at = end;
  }
  return frames.list;
}

/** Block types of pcapng. The first reads the same in both byte orders. */
const SECTION = 0x0a0d_0d0a;
const INTERFACE = 1;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const BYTE_ORDER = 0x1a2b_3c4d;
const IF_TSRESOL = 9;

/** Nanoseconds of a unit of an interface's times: `over` of them to `of` units. */
interface Resolution {
  readonly over: bigint;
  readonly of: bigint;
}

const MICROSECOND: Resolution = { over: 1000n, of: 1n };

function readPcapng(bytes: Uint8Array, view: DataView): Captured[] {
  const frames = new Frames();
  let interfaces: Resolution[] = [];
  let little = true;
  let last = 0n;
  for (let at = 0; at < bytes.length; ) {
    if (at + 12 > bytes.length) throw new PcapError(`ends within a block (byte ${at})`);
    const damaged = new PcapError(`the block at byte ${at} is damaged`);
    if (view.getUint32(at) === SECTION) {
      little = view.getUint32(at + 8, true) === BYTE_ORDER;
      if (!little && view.getUint32(at + 8) !== BYTE_ORDER) throw damaged;
      interfaces = [];
    }
    const type = view.getUint32(at, little);
    const length = view.getUint32(at + 4, little);
    if (length < 12 || length % 4 !== 0) throw damaged;
    if (at + length > bytes.length) throw new PcapError(`ends within a block (byte ${at})`);
    const body = new DataView(bytes.buffer, bytes.byteOffset + at + 8, length - 12);
    if (type === INTERFACE) interfaces.push(resolutionOf(body, little, damaged));
    else if (type === ENHANCED_PACKET || type === SIMPLE_PACKET) {
      const packet = type === ENHANCED_PACKET ? enhanced(body, little, interfaces) : simple(body, little, interfaces, last);
      if (packet === undefined) throw damaged;
      last = packet.ns;
      const from = body.byteOffset - bytes.byteOffset + packet.at;
      frames.add(packet.ns, bytes.subarray(from, from + packet.length));
    }
    at += length;
  }
  return frames.list;
}

function resolutionOf(body: DataView, little: boolean, damaged: PcapError): Resolution {
  if (body.byteLength < 8) throw damaged;
  checkLinkType(body.getUint16(0, little));
  for (let at = 8; at + 4 <= body.byteLength; ) {
    const code = body.getUint16(at, little);
    const length = body.getUint16(at + 2, little);
    if (code === 0) break;
    if (code === IF_TSRESOL && length === 1 && at + 5 <= body.byteLength) {
      const exponent = body.getUint8(at + 4);
      return { over: 1_000_000_000n, of: (exponent & 0x80) === 0 ? 10n ** BigInt(exponent) : 2n ** BigInt(exponent & 0x7f) };
    }
    at += 4 + ((length + 3) & ~3);
  }
  return MICROSECOND;
}

interface Packet {
  readonly ns: bigint;
  /** Where its bytes are in the block's body. */
  readonly at: number;
  readonly length: number;
}

function enhanced(body: DataView, little: boolean, interfaces: readonly Resolution[]): Packet | undefined {
  if (body.byteLength < 20) return undefined;
  const resolution = interfaces[body.getUint32(0, little)];
  const length = body.getUint32(12, little);
  if (resolution === undefined || length > body.byteLength - 20) return undefined;
  const units = (BigInt(body.getUint32(4, little)) << 32n) | BigInt(body.getUint32(8, little));
  return { ns: (units * resolution.over) / resolution.of, at: 20, length };
}

/** A packet without a time: it comes at once. */
function simple(body: DataView, little: boolean, interfaces: readonly Resolution[], ns: bigint): Packet | undefined {
  if (body.byteLength < 4 || interfaces.length === 0) return undefined;
  return { ns, at: 4, length: Math.min(body.getUint32(0, little), body.byteLength - 4) };
}

/** The header of a file with nanoseconds, Ethernet, frames of any length. */
export function captureHeader(): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, NANOSECONDS, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, RECORD_MAX, true);
  view.setUint32(20, ETHERNET, true);
  return bytes;
}

export const CAPTURE_RECORD_BYTES = RECORD_HEADER;

/** Puts the header of a record at `at`. */
export function putRecordHeader(view: DataView, at: number, seconds: number, ns: number, length: number): void {
  view.setUint32(at, seconds, true);
  view.setUint32(at + 4, ns, true);
  view.setUint32(at + 8, length, true);
  view.setUint32(at + 12, length, true);
}
