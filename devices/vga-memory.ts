/**
 * Video memory of a VGA as the processor reaches it: four planes of 64 KB behind the windows in A0000h-BFFFFh.
 *
 * Specification: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem" (sequencer: map mask and memory mode; graphics controller: all of it);
 * FreeVGA project, "Accessing VGA memory". Graphics 6 bits 3:2 choose the window. A byte of it belongs to all planes (planar), to the pair of its
 * lowest address bit (odd/even, the text modes), or to the plane of its lowest two (chain 4). Writes pass set/reset, the logical unit and the bit mask
 * by write mode 0 to 3; reads load the latches and give a plane (read mode 0) or a comparison of colours (1).
 *
 * In text modes nothing of that logic acts on cells: the even bytes of the window are plane 0's, the odd ones plane 1's. Then the 32 KB at B8000h are guest RAM
 * (`TextMapping`), which costs no exits; any register that would make a difference takes them back into the planes, exactly.
 *
 * Leaves out: the page bit of odd/even addressing (miscellaneous output bit 5), and which of the latches a read through RAM would have loaded.
 *
 * @module
 */
import type { AccessSize } from '../vmm/bus.ts';
import { PLANE_BYTES, TEXT, VGA } from './vga-state.ts';

/** The text buffer as guest RAM. */
export interface TextMapping {
  /** Its bytes, mapped or not. */
  readonly bytes: Uint8Array;
  /** Puts it into the guest's memory, or takes it away; its bytes have changed before it is put there. */
  map(on: boolean): void;
}

/** Start and length of each window, by graphics 6 bits 3:2, from A0000h. */
const WINDOWS = [
  [0, 0x2_0000],
  [0, 0x1_0000],
  [0x1_0000, 0x8000],
  [0x1_8000, 0x8000],
] as const;

const MISC_RAM_ON = 0x02;
const SEQ4_PLANAR = 0x04;
const SEQ4_CHAIN4 = 0x08;
const GC5_ODD_EVEN = 0x10;

export class VgaMemory {
  private readonly state: Uint8Array;
  private readonly planes: Uint8Array;
  private readonly text: TextMapping;

  constructor(state: Uint8Array, text: TextMapping) {
    this.state = state;
    this.planes = state.subarray(VGA.PLANES);
    this.text = text;
  }

  /** After a register changed: whether the text buffer is RAM now. */
  remap(): void {
    const on = this.isPlainText();
    if (on === (this.state[VGA.TEXT_IN_RAM] !== 0)) return;
    this.state[VGA.TEXT_IN_RAM] = on ? 1 : 0;
    this.copy(on);
    this.text.map(on);
  }

  /** The mapping of a state that was put back, whose bytes are in place. False when it does not follow from the registers. */
  restored(): boolean {
    const on = this.isPlainText();
    if (on !== (this.state[VGA.TEXT_IN_RAM] !== 0)) return false;
    this.text.map(on);
    return true;
  }

  /** Writes a cell of the text buffer. */
  setCell(cell: number, character: number, attribute: number): void {
    const inRam = this.state[VGA.TEXT_IN_RAM] !== 0;
    const bytes = inRam ? this.text.bytes : this.planes;
    bytes[2 * cell] = character;
    bytes[2 * cell + (inRam ? 1 : PLANE_BYTES)] = attribute;
  }

  private seq(index: number): number {
    return this.state[VGA.SEQ + index] as number;
  }

  private gc(index: number): number {
    return this.state[VGA.GC + index] as number;
  }

  private isPlainText(): boolean {
    const window = (this.gc(6) >> 2) & 3;
    return (
      ((this.state[VGA.MISC] as number) & MISC_RAM_ON) !== 0 &&
      window === 3 &&
      this.seq(2) === 3 &&
      (this.seq(4) & (SEQ4_PLANAR | SEQ4_CHAIN4)) === 0 &&
      (this.gc(1) & 3) === 0 &&
      this.gc(3) === 0 &&
      (this.gc(4) & 2) === 0 &&
      (this.gc(5) & 0x1b) === GC5_ODD_EVEN &&
      this.gc(8) === 0xff
    );
  }

  /** Moves the cells between planes 0 and 1 and the text buffer. */
  private copy(toText: boolean): void {
    const { planes } = this;
    const { bytes } = this.text;
    for (let at = 0; at < TEXT.bytes; at += 2) {
      if (toText) {
        bytes[at] = planes[at] as number;
        bytes[at + 1] = planes[PLANE_BYTES + at] as number;
      } else {
        planes[at] = bytes[at] as number;
        planes[PLANE_BYTES + at] = bytes[at + 1] as number;
      }
    }
  }

  /** Where in its window an address (from A0000h) is, or -1. */
  private within(offset: number): number {
    if (((this.state[VGA.MISC] as number) & MISC_RAM_ON) === 0) return -1;
    const [start, length] = WINDOWS[(this.gc(6) >> 2) & 3] as (typeof WINDOWS)[number];
    const at = offset - start;
    return at >= 0 && at < length ? at : -1;
  }

  read(offset: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readByte(offset + i) << (8 * i);
    return value >>> 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.writeByte(offset + i, (value >>> (8 * i)) & 0xff);
  }

  private readByte(offset: number): number {
    const window = this.within(offset);
    if (window < 0) return 0xff;
    const chain4 = (this.seq(4) & SEQ4_CHAIN4) !== 0;
    const oddEven = (this.gc(5) & GC5_ODD_EVEN) !== 0;
    let plane = this.gc(4) & 3;
    let at = window & 0xffff;
    if (chain4) {
      plane = at & 3;
      at &= ~3;
    } else if (oddEven) {
      plane = (plane & 2) | (at & 1);
      at &= ~1;
    }
    for (let p = 0; p < 4; p++) this.state[VGA.LATCHES + p] = this.planes[p * PLANE_BYTES + at] as number;
    if ((this.gc(5) & 0x08) === 0) return this.planes[plane * PLANE_BYTES + at] as number;
    return this.compared();
  }

  /** Read mode 1: a bit for each pixel whose colour, in the planes that count, is the one to compare with. */
  private compared(): number {
    let differs = 0;
    for (let p = 0; p < 4; p++) {
      if (((this.gc(7) >> p) & 1) === 0) continue;
      differs |= (this.state[VGA.LATCHES + p] as number) ^ ((this.gc(2) >> p) & 1 ? 0xff : 0);
    }
    return ~differs & 0xff;
  }

  private writeByte(offset: number, value: number): void {
    const window = this.within(offset);
    if (window < 0) return;
    const mode = this.seq(4);
    let mask = this.seq(2);
    let at = window & 0xffff;
    if (mode & SEQ4_CHAIN4) {
      mask &= 1 << (at & 3);
      at &= ~3;
    } else if ((mode & SEQ4_PLANAR) === 0) {
      mask &= at & 1 ? 0x0a : 0x05;
      at &= ~1;
    }
    for (let p = 0; p < 4; p++) {
      if ((mask >> p) & 1) this.planes[p * PLANE_BYTES + at] = this.result(p, value);
    }
  }

  /** What a write of `value` makes of plane `p`. */
  private result(p: number, value: number): number {
    const latch = this.state[VGA.LATCHES + p] as number;
    const rotation = this.gc(3) & 7;
    const rotated = ((value >> rotation) | (value << (8 - rotation))) & 0xff;
    const set = (this.gc(0) >> p) & 1 ? 0xff : 0;
    switch (this.gc(5) & 3) {
      case 0:
        return this.masked((this.gc(1) >> p) & 1 ? set : rotated, latch, this.gc(8));
      case 1:
        return latch;
      case 2:
        return this.masked((value >> p) & 1 ? 0xff : 0, latch, this.gc(8));
      default:
        // The rotated byte is the mask; the logical unit is passed by.
        return (set & rotated & this.gc(8)) | (latch & ~(rotated & this.gc(8)));
    }
  }

  private masked(value: number, latch: number, mask: number): number {
    const operation = (this.gc(3) >> 3) & 3;
    const combined = operation === 1 ? value & latch : operation === 2 ? value | latch : operation === 3 ? value ^ latch : value;
    return (combined & mask) | (latch & ~mask);
  }
}
