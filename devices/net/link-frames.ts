/**
 * Frames on a stream: how two VMs, or a VM and something else, send them over a socket.
 *
 * Each frame follows its length, 32 bits with the high byte first, as QEMU's stream and socket back ends have it, so either end may be a QEMU. A Lucid says what it is
 * with a first frame of EtherType 88B5h (IEEE 802, local experimental), which others ignore; to a peer that said so, frames go with what is left
 * to be done to them: bit 31 of the length is set and OFFLOAD_BYTES stand between length and frame.
 *
 * @module
 */
import { ETHERNET_BYTES, FRAME_MAX, type Offload, PLAIN } from './backend.ts';
import { getOffload, OFFLOAD_BYTES, putOffload } from './offload.ts';

const LENGTH_BYTES = 4;
const WITH_OFFLOAD = 0x8000_0000;
const HELLO_TYPE = 0x88b5;
const HELLO = 'lucid link 1 ';
const FRAME_MIN = 60;
const MAC_BYTES = 6;

/** What a peer sends is no frames. */
export class LinkError extends Error {
  override readonly name = 'LinkError';
}

/** The first frame: from a NIC with the address `mac`, for nobody. */
export function helloFrame(mac: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_MIN);
  // A locally administered address of no NIC.
  frame.set([0x02, 0, 0, 0, 0, 0]);
  frame.set(mac, MAC_BYTES);
  new DataView(frame.buffer).setUint16(2 * MAC_BYTES, HELLO_TYPE);
  frame.set(new TextEncoder().encode(HELLO), ETHERNET_BYTES);
  return frame;
}

function isHello(frame: Uint8Array): boolean {
  const expected = helloFrame(frame.subarray(MAC_BYTES, 2 * MAC_BYTES));
  return frame.length === FRAME_MIN && frame.every((byte, i) => byte === expected[i]);
}

/** A frame as it goes over the stream. */
export function framed(frame: Uint8Array, offload: Readonly<Offload> | undefined): Uint8Array {
  const head = LENGTH_BYTES + (offload === undefined ? 0 : OFFLOAD_BYTES);
  const out = new Uint8Array(head + frame.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, frame.length + (offload === undefined ? 0 : WITH_OFFLOAD));
  if (offload !== undefined) putOffload(view, LENGTH_BYTES, offload);
  out.set(frame, head);
  return out;
}

/** Puts the frames of a stream together again. */
export class FrameStream {
  private rest: Uint8Array = new Uint8Array(0);
  /** The address of a peer that said that it is a Lucid. */
  peer: Uint8Array | undefined;

  /** Takes bytes that came, as many as there are or none; calls `frame` for each whole one until it returns false. Throws LinkError. */
  take(bytes: Uint8Array, frame: (frame: Uint8Array, offload: Readonly<Offload>) => boolean): void {
    const all = this.rest.length === 0 ? bytes : concat(this.rest, bytes);
    let at = 0;
    for (;;) {
      const next = frameAt(all, at);
      if (next === undefined) break;
      if (this.peer === undefined && isHello(next.frame)) this.peer = next.frame.slice(MAC_BYTES, 2 * MAC_BYTES);
      else if (!frame(next.frame, next.offload)) break;
      at = next.end;
    }
    this.rest = all.slice(at);
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

interface Framed {
  readonly frame: Uint8Array;
  readonly offload: Readonly<Offload>;
  readonly end: number;
}

function frameAt(bytes: Uint8Array, at: number): Framed | undefined {
  if (at + LENGTH_BYTES > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const word = view.getUint32(at);
  const length = word % WITH_OFFLOAD;
  const head = at + LENGTH_BYTES + (word >= WITH_OFFLOAD ? OFFLOAD_BYTES : 0);
  if (length > FRAME_MAX) throw new LinkError(`a frame of ${length} bytes`);
  const end = head + length;
  if (end > bytes.length) return undefined;
  return { frame: bytes.subarray(head, end), offload: word >= WITH_OFFLOAD ? getOffload(view, at + LENGTH_BYTES) : PLAIN, end };
}
