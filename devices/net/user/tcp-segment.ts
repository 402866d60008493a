/**
 * TCP's header (RFC 9293 3.1), read; options of it that matter here.
 *
 * @module
 */
import { pseudoSum, sumWords } from './checksum.ts';
import { type Packet, PROTOCOL } from './ipv4.ts';

export const FLAG = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;
export const TCP_HEADER_BYTES = 20;
/** When the other side says nothing (RFC 9293 3.7.1). */
const DEFAULT_MSS = 536;
const LEAST_MSS = 88;
const SHIFT_MAX = 14;

/** A segment that came in; the data stands in its frame. */
export interface Segment {
  frame: Uint8Array;
  /** The guest. */
  source: number;
  sourcePort: number;
  target: number;
  targetPort: number;
  sequence: number;
  acknowledgement: number;
  flags: number;
  /** Not yet scaled. */
  window: number;
  dataAt: number;
  dataLength: number;
  /** Of a SYN: the most that the sender takes in one segment, and the scale of its windows; -1 when it does none. */
  mss: number;
  windowShift: number;
}

export function emptySegment(): Segment {
  return {
    frame: new Uint8Array(0),
    source: 0,
    sourcePort: 0,
    target: 0,
    targetPort: 0,
    sequence: 0,
    acknowledgement: 0,
    flags: 0,
    window: 0,
    dataAt: 0,
    dataLength: 0,
    mss: DEFAULT_MSS,
    windowShift: -1,
  };
}

/** Reads a packet's segment; false when it is none. */
export function readSegment(packet: Packet, segment: Segment): boolean {
  const { frame, payloadAt: at, end } = packet;
  if (end - at < TCP_HEADER_BYTES) return false;
  const headerBytes = (frame[at + 12] >> 4) * 4;
  if (headerBytes < TCP_HEADER_BYTES || at + headerBytes > end) return false;
  if (!packet.trusted && sumWords(frame, at, end, pseudoSum(packet.source, packet.target, PROTOCOL.TCP, end - at)) !== 0xffff) return false;
  segment.frame = frame;
  segment.source = packet.source;
  segment.target = packet.target;
  segment.sourcePort = (frame[at] << 8) | frame[at + 1];
  segment.targetPort = (frame[at + 2] << 8) | frame[at + 3];
  segment.sequence = word(frame, at + 4);
  segment.acknowledgement = word(frame, at + 8);
  segment.flags = frame[at + 13];
  segment.window = (frame[at + 14] << 8) | frame[at + 15];
  segment.dataAt = at + headerBytes;
  segment.dataLength = end - at - headerBytes;
  if ((segment.flags & FLAG.SYN) !== 0) readOptions(segment, at + TCP_HEADER_BYTES);
  return true;
}

/** A sequence number: 32 bits, signed, as differences of them are. */
function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}

function readOptions(segment: Segment, from: number): void {
  const { frame, dataAt } = segment;
  segment.mss = DEFAULT_MSS;
  segment.windowShift = -1;
  for (let at = from; at < dataAt && frame[at] !== 0; ) {
    if (frame[at] === 1) {
      at++;
      continue;
    }
    const length = at + 1 < dataAt ? frame[at + 1] : 0;
    if (length < 2 || at + length > dataAt) return;
    if (frame[at] === 2 && length === 4) segment.mss = Math.max((frame[at + 2] << 8) | frame[at + 3], LEAST_MSS);
    if (frame[at] === 3 && length === 3) segment.windowShift = Math.min(frame[at + 2], SHIFT_MAX);
    at += length;
  }
}

/** Writes the options of a SYN; returns their length. `shift` below 0: no window scaling. */
export function writeSynOptions(frame: Uint8Array, at: number, mss: number, shift: number): number {
  frame[at] = 2;
  frame[at + 1] = 4;
  frame[at + 2] = mss >> 8;
  frame[at + 3] = mss;
  if (shift < 0) return 4;
  frame[at + 4] = 1;
  frame[at + 5] = 3;
  frame[at + 6] = 3;
  frame[at + 7] = shift;
  return 8;
}
