/**
 * A VGA, as far as text modes need it: registers, video memory, and a clock for the retrace.
 *
 * Specification: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"; FreeVGA project, "VGA chip documentation" (registers by port).
 *
 * | port | what |
 * |---|---|
 * | 3B4h/3D4h, 3B5h/3D5h | CRT controller; which pair answers is bit 0 of miscellaneous output |
 * | 3BAh/3DAh | input status 1, which also clears the attribute controller's flip-flop; feature control |
 * | 3C0h, 3C1h | attribute controller |
 * | 3C2h, 3CCh, 3CAh | miscellaneous output, input status 0, feature control |
 * | 3C3h | adapter enable, kept |
 * | 3C4h, 3C5h | sequencer |
 * | 3C6h-3C9h | palette of 256 colours of 18 bits |
 * | 3CEh, 3CFh | graphics controller |
 *
 * Video memory is `vga-memory.ts`. It is an ISA card: no PCI function, so that no driver of a guest takes the screen to a graphics mode; a video BIOS
 * comes from the board's firmware. What is on the screen is read by others from the block of `vga-state.ts`; nothing is drawn here, and time is asked for only by
 * input status 1, whose retrace bits follow from the VM's clock and the CRT controller's totals.
 *
 * Leaves out: the vertical retrace interrupt, which hardly any VGA has connected; CGA and MDA registers (3B8h, 3BFh, 3D8h, 3D9h) and the light pen; SVGA registers and
 * linear frame buffers; horizontal retrace apart from display enable; write protection of registers other than CR0 to CR7.
 *
 * @module
 */
import type { AccessSize, Clock, DeviceState, MmioBus, MmioDevice, PortBus, PortDevice, Saveable } from '../vmm/bus.ts';
import { StateError } from '../vmm/bus.ts';
import { savedInts } from './saved.ts';
import { TEXT_MODE, TEXT_PALETTE } from './vga-modes.ts';
import { type TextMapping, VgaMemory } from './vga-memory.ts';
import { VGA, VGA_BYTES, WINDOW } from './vga-state.ts';

export interface VgaOptions {
  readonly clock: Clock;
  /** The block of `vga-state.ts`: VGA_BYTES, zero. */
  readonly state: Uint8Array;
  readonly text: TextMapping;
}

/** Bits of each register that exist. */
const SEQ_BITS = [0x03, 0x3d, 0x0f, 0x3f, 0x0e];
const GC_BITS = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff];
const ATTR_BITS = [...new Array<number>(16).fill(0x3f), 0xef, 0xff, 0x3f, 0x0f, 0x0f];
const CRTC_COUNT = 25;
const CRTC_LATCH = 0x22;
const CR11_PROTECT = 0x80;
/** Bit 8 of line compare, which the protection leaves writable. */
const CR7_LINE_COMPARE = 0x10;

const MISC_COLOUR = 0x01;
const STATUS0_SWITCH = 0x10;
const STATUS1_NOT_DISPLAYING = 0x01;
const STATUS1_RETRACE = 0x08;
const ATTR_PAS = 0x20;

export class Vga implements PortDevice, MmioDevice, Saveable {
  private readonly clock: Clock;
  private readonly state: Uint8Array;
  private readonly memory: VgaMemory;
  /** Nanoseconds of a line and of its visible part; lines of a frame, where display ends, where the retrace begins and ends. */
  private readonly timing = { lineNs: 0, visibleNs: 0, lines: 0, displayed: 0, retrace: 0, retraceEnd: 0 };

  constructor(options: VgaOptions) {
    if (options.state.length !== VGA_BYTES) throw new RangeError(`the state must be ${VGA_BYTES} bytes`);
    this.clock = options.clock;
    this.state = options.state;
    this.memory = new VgaMemory(options.state, options.text);
    this.reset();
  }

  attach(ports: PortBus): void {
    ports.addPorts(0x3b4, 2, this, 'vga');
    ports.addPorts(0x3ba, 1, this, 'vga');
    ports.addPorts(0x3c0, 16, this, 'vga');
    ports.addPorts(0x3d4, 2, this, 'vga');
    ports.addPorts(0x3da, 1, this, 'vga');
  }

  attachMemory(mmio: MmioBus): void {
    mmio.addMmio(WINDOW.gpa, WINDOW.bytes, this, 'vga');
  }

  /** Registers as at power-on: nothing is displayed. Video memory keeps what it held. */
  reset(): void {
    const inRam = this.get(VGA.TEXT_IN_RAM);
    this.state.fill(0, 0, VGA.DAC);
    this.state[VGA.TEXT_IN_RAM] = inRam;
    this.memory.remap();
    this.retime();
  }

  /** Mode 3, 80 columns by 25 rows, as a video BIOS leaves it, with an empty screen. */
  enterTextMode(): void {
    const { state } = this;
    state[VGA.MISC] = TEXT_MODE.misc;
    state[VGA.ENABLE] = 1;
    state.set(TEXT_MODE.seq, VGA.SEQ);
    state.set(TEXT_MODE.gc, VGA.GC);
    state.set(TEXT_MODE.crtc, VGA.CRTC);
    state.set(TEXT_MODE.attr, VGA.ATTR);
    state[VGA.ATTR_INDEX] = ATTR_PAS;
    state[VGA.DAC_MASK] = 0xff;
    state.set(TEXT_PALETTE, VGA.DAC);
    this.memory.remap();
    for (let cell = 0; cell < 0x4000; cell++) this.memory.setCell(cell, 0x20, 0x07);
    this.retime();
  }

  mmioRead(offset: number, size: AccessSize): number {
    return this.memory.read(offset, size);
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    this.memory.write(offset, size, value);
  }

  portRead(port: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readByte(port + i) << (8 * i);
    return value >>> 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.writeByte(port + i, (value >>> (8 * i)) & 0xff);
  }

  save(): DeviceState {
    return { registers: Array.from(this.state.subarray(0, VGA.DAC_END)) };
  }

  /** The planes are put back by `restoreBytes`, the text buffer with guest RAM. */
  restore(state: DeviceState): void {
    const registers = savedInts(state, 'registers', VGA.DAC_END, 0, 0xff);
    if (!fits(registers)) throw new StateError('registers: with bits that do not exist');
    this.state.set(registers);
    if (!this.memory.restored()) throw new StateError('registers: the text buffer is not where they put it');
    this.retime();
  }

  saveBytes(): Uint8Array {
    return this.state.slice(VGA.PLANES);
  }

  restoreBytes(bytes: Uint8Array): void {
    if (bytes.length !== VGA_BYTES - VGA.PLANES) throw new StateError('video memory of another size');
    this.state.set(bytes, VGA.PLANES);
  }

  private get(at: number): number {
    return this.state[at] as number;
  }

  /** The ports of the CRT controller and of input status 1 that answer now: 3Dxh or 3Bxh. */
  private base(): number {
    return this.get(VGA.MISC) & MISC_COLOUR ? 0x3d0 : 0x3b0;
  }

  private readByte(port: number): number {
    if (port < 0x3c0 || port >= 0x3d0) return this.readCrt(port - this.base());
    switch (port) {
      case 0x3c0:
        return this.get(VGA.ATTR_INDEX);
      case 0x3c1: {
        const index = this.get(VGA.ATTR_INDEX) & 0x1f;
        return index < ATTR_BITS.length ? this.get(VGA.ATTR + index) : 0;
      }
      case 0x3c2:
        return STATUS0_SWITCH;
      case 0x3c3:
        return this.get(VGA.ENABLE);
      case 0x3c4:
        return this.get(VGA.SEQ_INDEX);
      case 0x3c5:
        return this.get(VGA.SEQ_INDEX) < SEQ_BITS.length ? this.get(VGA.SEQ + this.get(VGA.SEQ_INDEX)) : 0;
      case 0x3c6:
        return this.get(VGA.DAC_MASK);
      case 0x3c7:
        return this.get(VGA.DAC_STATE);
      case 0x3c8:
        return this.get(VGA.DAC_WRITE);
      case 0x3c9:
        return this.readDac();
      case 0x3ca:
        return this.get(VGA.FEATURE);
      case 0x3cc:
        return this.get(VGA.MISC);
      case 0x3ce:
        return this.get(VGA.GC_INDEX);
      case 0x3cf:
        return this.get(VGA.GC_INDEX) < GC_BITS.length ? this.get(VGA.GC + this.get(VGA.GC_INDEX)) : 0;
      default:
        return 0xff;
    }
  }

  private readCrt(register: number): number {
    const index = this.get(VGA.CRTC_INDEX);
    switch (register) {
      case 4:
        return index;
      case 5:
        if (index < CRTC_COUNT) return this.get(VGA.CRTC + index);
        return index === CRTC_LATCH ? this.get(VGA.LATCHES + (this.get(VGA.GC + 4) & 3)) : 0;
      case 10:
        this.state[VGA.ATTR_FLIP] = 0;
        return this.status1();
      default:
        return 0xff;
    }
  }

  private writeByte(port: number, value: number): void {
    const { state } = this;
    if (port < 0x3c0 || port >= 0x3d0) {
      this.writeCrt(port - this.base(), value);
      return;
    }
    switch (port) {
      case 0x3c0:
        this.writeAttribute(value);
        break;
      case 0x3c2:
        state[VGA.MISC] = value & 0xef;
        this.memory.remap();
        this.retime();
        break;
      case 0x3c3:
        state[VGA.ENABLE] = value & 1;
        break;
      case 0x3c4:
        state[VGA.SEQ_INDEX] = value & 7;
        break;
      case 0x3c5:
        this.writeIndexed(VGA.SEQ, SEQ_BITS, this.get(VGA.SEQ_INDEX), value);
        break;
      case 0x3c6:
        state[VGA.DAC_MASK] = value;
        break;
      case 0x3c7:
        state[VGA.DAC_READ] = value;
        state[VGA.DAC_STEP] = 0;
        state[VGA.DAC_STATE] = 3;
        break;
      case 0x3c8:
        state[VGA.DAC_WRITE] = value;
        state[VGA.DAC_STEP] = 0;
        state[VGA.DAC_STATE] = 0;
        break;
      case 0x3c9:
        state[VGA.DAC + 3 * this.get(VGA.DAC_WRITE) + this.get(VGA.DAC_STEP)] = value & 0x3f;
        this.stepDac(VGA.DAC_WRITE);
        break;
      case 0x3ce:
        state[VGA.GC_INDEX] = value & 15;
        break;
      case 0x3cf:
        this.writeIndexed(VGA.GC, GC_BITS, this.get(VGA.GC_INDEX), value);
        break;
      default:
        break;
    }
  }

  private writeIndexed(file: number, bits: readonly number[], index: number, value: number): void {
    const exists = bits[index];
    if (exists === undefined) return;
    this.state[file + index] = value & exists;
    this.memory.remap();
    if (file === VGA.SEQ) this.retime();
  }

  private writeAttribute(value: number): void {
    const { state } = this;
    const index = this.get(VGA.ATTR_INDEX);
    if (this.get(VGA.ATTR_FLIP) === 0) state[VGA.ATTR_INDEX] = value & 0x3f;
    else if ((index & 0x1f) < ATTR_BITS.length) {
      // The palette is the display's while bit 5 of the index is set.
      const locked = (index & ATTR_PAS) !== 0 && (index & 0x1f) < 16;
      if (!locked) state[VGA.ATTR + (index & 0x1f)] = value & (ATTR_BITS[index & 0x1f] as number);
    }
    state[VGA.ATTR_FLIP] = this.get(VGA.ATTR_FLIP) ^ 1;
  }

  private writeCrt(register: number, value: number): void {
    const { state } = this;
    if (register === 4) state[VGA.CRTC_INDEX] = value & 0x3f;
    else if (register === 10) state[VGA.FEATURE] = value & 0x0b;
    else if (register === 5) {
      const index = this.get(VGA.CRTC_INDEX);
      const at = VGA.CRTC + index;
      const isProtected = (this.get(VGA.CRTC + 0x11) & CR11_PROTECT) !== 0 && index <= 7;
      if (index >= CRTC_COUNT) return;
      if (!isProtected) state[at] = value;
      else if (index === 7) state[at] = (this.get(at) & ~CR7_LINE_COMPARE) | (value & CR7_LINE_COMPARE);
      this.retime();
    }
  }

  private readDac(): number {
    const value = this.get(VGA.DAC + 3 * this.get(VGA.DAC_READ) + this.get(VGA.DAC_STEP));
    this.stepDac(VGA.DAC_READ);
    return value;
  }

  private stepDac(index: number): void {
    const { state } = this;
    const step = this.get(VGA.DAC_STEP) + 1;
    state[VGA.DAC_STEP] = step % 3;
    if (step === 3) state[index] = this.get(index) + 1;
  }

  /** Times of a frame, from the CRT controller and the dot clock. */
  private retime(): void {
    const cr = (index: number): number => this.get(VGA.CRTC + index);
    const dots = this.get(VGA.SEQ + 1) & 1 ? 8 : 9;
    const halved = this.get(VGA.SEQ + 1) & 8 ? 2 : 1;
    const hertz = (this.get(VGA.MISC) >> 2) & 3 ? 28_322_000 : 25_175_000;
    const characterNs = (dots * halved * 1e9) / hertz;
    const ninth = (low: number, bit8: number, bit9: number): number =>
      cr(low) | (((cr(7) >> bit8) & 1) << 8) | (((cr(7) >> bit9) & 1) << 9);
    const { timing } = this;
    timing.lineNs = Math.round((cr(0) + 5) * characterNs);
    timing.visibleNs = Math.round((cr(1) + 1) * characterNs);
    timing.lines = ninth(0x06, 0, 5) + 2;
    timing.displayed = ninth(0x12, 1, 6) + 1;
    timing.retrace = ninth(0x10, 2, 7);
    // The end is given by its low four bits.
    timing.retraceEnd = timing.retrace + ((cr(0x11) - timing.retrace) & 15 || 16);
  }

  private status1(): number {
    const { lineNs, visibleNs, lines, displayed, retrace, retraceEnd } = this.timing;
    const inFrame = this.clock.now() % (lineNs * lines);
    const line = Math.floor(inFrame / lineNs);
    const blank = line >= displayed || inFrame - line * lineNs >= visibleNs;
    return (blank ? STATUS1_NOT_DISPLAYING : 0) | (line >= retrace && line < retraceEnd ? STATUS1_RETRACE : 0);
  }
}

/** Whether saved registers have only bits that a guest can set. */
function fits(r: readonly number[]): boolean {
  const within = (at: number, bits: readonly number[]): boolean => bits.every((mask, i) => ((r[at + i] as number) & ~mask) === 0);
  return (
    within(VGA.SEQ, SEQ_BITS) &&
    within(VGA.GC, GC_BITS) &&
    within(VGA.ATTR, ATTR_BITS) &&
    within(VGA.MISC, [0xef, 0x0b, 1]) &&
    within(VGA.SEQ_INDEX, [7, 15, 0x3f, 0x3f, 1, 0xff, 0xff, 0xff, 3, 3, 1]) &&
    (r[VGA.DAC_STEP] as number) < 3
  );
}
