/**
 * Fragments put together to datagrams (RFC 791 3.2), as many at a time as there is room for.
 *
 * A datagram is given up after 30 s, when a newer one needs its place, and when fragments overlap otherwise than by being the same (as RFC 5722 has it
 * for IPv6): a guest that does this wants to confuse.
 *
 * @module
 */
import { IP_AT, IP_HEADER_BYTES, PACKET_MAX, type Packet, PAYLOAD_AT } from './ipv4.ts';

const DATAGRAMS_MAX = 16;
const LIFE_MS = 30000;
const PAYLOAD_MAX = PACKET_MAX - IP_HEADER_BYTES;

interface Datagram {
  readonly frame: Uint8Array;
  /** Pairs of begin and end of what is there, in order, not touching. */
  readonly parts: number[];
  /** Bytes of the payload; undefined until the last fragment was seen. */
  length: number | undefined;
  readonly deadline: number;
}

export class Reassembly {
  readonly #datagrams = new Map<string, Datagram>();

  get size(): number {
    return this.#datagrams.size;
  }

  /** Takes a fragment. When it completes its datagram, `packet` becomes that, and the answer is true. */
  add(packet: Packet, now: number): boolean {
    const key = `${packet.source},${packet.target},${packet.protocol},${packet.identification}`;
    const bytes = packet.end - packet.payloadAt;
    const from = packet.fragmentOffset;
    const to = from + bytes;
    const whole = !packet.moreFragments;
    if (bytes === 0 || to > PAYLOAD_MAX || (!whole && bytes % 8 !== 0)) return false;
    const datagram = this.#datagrams.get(key) ?? this.#begin(key, now);
    if (whole && datagram.length === undefined) datagram.length = to;
    if (!place(datagram, from, to) || beyond(datagram)) {
      this.#datagrams.delete(key);
      return false;
    }
    datagram.frame.set(packet.frame.subarray(packet.payloadAt, packet.end), PAYLOAD_AT + from);
    if (from === 0) datagram.frame.set(packet.frame.subarray(0, PAYLOAD_AT), 0);
    if (datagram.length === undefined || datagram.parts.length !== 2 || datagram.parts[0] !== 0 || datagram.parts[1] !== datagram.length) {
      return false;
    }
    this.#datagrams.delete(key);
    complete(packet, datagram.frame, datagram.length);
    return true;
  }

  /** Gives up what is too old. */
  expire(now: number): void {
    for (const [key, { deadline }] of this.#datagrams) if (now >= deadline) this.#datagrams.delete(key);
  }

  #begin(key: string, now: number): Datagram {
    if (this.#datagrams.size >= DATAGRAMS_MAX) this.#datagrams.delete(this.#datagrams.keys().next().value as string);
    const datagram: Datagram = { frame: new Uint8Array(PAYLOAD_AT + PAYLOAD_MAX), parts: [], length: undefined, deadline: now + LIFE_MS };
    this.#datagrams.set(key, datagram);
    return datagram;
  }
}

/** Notes that the bytes are there; false when some of them, but not just these, were already. */
function place(datagram: Datagram, from: number, to: number): boolean {
  const { parts } = datagram;
  let i = 0;
  while (i < parts.length && parts[i + 1] < from) i += 2;
  if (i === parts.length) {
    parts.push(from, to);
    return true;
  }
  // The first part that ends at or after the beginning.
  if (parts[i] <= from && to <= parts[i + 1]) return true;
  let begin = from;
  let end = to;
  let n = i;
  if (parts[n + 1] === from) {
    begin = parts[n];
    n += 2;
  }
  if (n < parts.length && parts[n] < to) return false;
  if (n < parts.length && parts[n] === to) {
    end = parts[n + 1];
    n += 2;
  }
  parts.splice(i, n - i, begin, end);
  return true;
}

function beyond(datagram: Datagram): boolean {
  return datagram.length !== undefined && (datagram.parts.at(-1) as number) > datagram.length;
}

/** Makes one packet of the datagram: the first fragment's header without its options, and all of the payload. */
function complete(packet: Packet, frame: Uint8Array, length: number): void {
  const total = IP_HEADER_BYTES + length;
  frame[IP_AT] = 0x45;
  frame[IP_AT + 2] = total >> 8;
  frame[IP_AT + 3] = total;
  frame[IP_AT + 6] = 0;
  frame[IP_AT + 7] = 0;
  packet.frame = frame;
  packet.headerAt = IP_AT;
  packet.payloadAt = PAYLOAD_AT;
  packet.end = PAYLOAD_AT + length;
  packet.fragmentOffset = 0;
  packet.moreFragments = false;
  packet.trusted = false;
}
