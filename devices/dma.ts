/**
 * The PC's two 8237A DMA controllers (ports 00h-0Fh, and C0h-DFh at even addresses) with their page registers (81h-8Fh).
 *
 * Specification: Intel 8237A data sheet (register codes, figures 5 and 6; first/last flip-flop; master clear), IBM PC/AT technical reference (addresses,
 * page registers). All registers read and write as the chip's do, so that probing and set-up code is satisfied.
 *
 * Left out: transfers. No device here requests any, and a software request only shows in the status register.
 *
 * @module
 */
import type { AccessSize, DeviceState, PortBus, PortDevice, Saveable } from '../vmm/bus.ts';
import { savedFlag, savedInt, savedInts, savedParts } from './saved.ts';

const PAGES = 0x80;
const SECOND = 0xc0;

export class Dma implements PortDevice, Saveable {
  private readonly controllers = [new Dma8237(), new Dma8237()] as const;
  private readonly pages = new Uint8Array(16);

  /** Takes 00h-0Fh, 81h-8Fh and C0h-DFh; 80h is the POST port's. */
  attach(ports: PortBus): void {
    ports.addPorts(0, 16, this, 'dma');
    ports.addPorts(PAGES + 1, 15, this, 'dma');
    ports.addPorts(SECOND, 32, this, 'dma');
  }

  portRead(port: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readByte(port + i) << (8 * i);
    return value >>> 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.writeByte(port + i, (value >>> (8 * i)) & 0xff);
  }

  reset(): void {
    for (const controller of this.controllers) controller.masterClear();
    this.pages.fill(0);
  }

  save(): DeviceState {
    return { controllers: this.controllers.map((c) => c.save()), pages: Array.from(this.pages) };
  }

  restore(state: DeviceState): void {
    const pages = savedInts(state, 'pages', 16, 0, 0xff);
    const controllers = savedParts(state, 'controllers', 2);
    for (const saved of controllers) Dma8237.check(saved);
    this.pages.set(pages);
    this.controllers.forEach((controller, i) => {
      controller.restore(controllers[i]);
    });
  }

  private readByte(port: number): number {
    if (port < 16) return this.controllers[0].read(port);
    if (port >= PAGES && port < PAGES + 16) return this.pages[port - PAGES];
    if (port >= SECOND && port < SECOND + 32) return this.controllers[1].read((port - SECOND) >> 1);
    return 0xff;
  }

  private writeByte(port: number, value: number): void {
    if (port < 16) this.controllers[0].write(port, value);
    else if (port >= PAGES && port < PAGES + 16) this.pages[port - PAGES] = value;
    else if (port >= SECOND && port < SECOND + 32) this.controllers[1].write((port - SECOND) >> 1, value);
  }
}

// Register codes above the channels' addresses and counts (8237A, figure 6).
const STATUS_COMMAND = 8;
const REQUEST = 9;
const SINGLE_MASK = 10;
const MODE = 11;
const CLEAR_FLIP_FLOP = 12;
const MASTER_CLEAR = 13;
const CLEAR_MASK = 14;
const ALL_MASK = 15;

class Dma8237 {
  /** Address and count of channels 0 to 3, by register code: as programmed, and as they stand. */
  private readonly base = new Uint16Array(8);
  private readonly current = new Uint16Array(8);
  private readonly modes = new Uint8Array(4);
  private command = 0;
  private mask = 0x0f;
  private requests = 0;
  private highByte = false;

  read(register: number): number {
    if (register < STATUS_COMMAND) {
      const value = this.current[register];
      const high = this.highByte;
      this.highByte = !high;
      return high ? value >> 8 : value & 0xff;
    }
    // Terminal counts (bits 3:0) never come; the temporary register (code 13) holds nothing; the mask reads back as on the 82C37.
    if (register === STATUS_COMMAND) return this.requests << 4;
    if (register === MASTER_CLEAR) return 0;
    return register === ALL_MASK ? 0xf0 | this.mask : 0xff;
  }

  write(register: number, value: number): void {
    const channel = 1 << (value & 3);
    switch (register) {
      case STATUS_COMMAND:
        this.command = value;
        break;
      case REQUEST:
        this.requests = value & 4 ? this.requests | channel : this.requests & ~channel;
        break;
      case SINGLE_MASK:
        this.mask = value & 4 ? this.mask | channel : this.mask & ~channel;
        break;
      case MODE:
        this.modes[value & 3] = value;
        break;
      case CLEAR_FLIP_FLOP:
        this.highByte = false;
        break;
      case MASTER_CLEAR:
        this.masterClear();
        break;
      case CLEAR_MASK:
        this.mask = 0;
        break;
      case ALL_MASK:
        this.mask = value & 0x0f;
        break;
      default:
        this.writeWord(register, value);
    }
  }

  /** Clears command, status, request, temporary register and the flip-flop, and masks every channel. */
  masterClear(): void {
    this.command = 0;
    this.requests = 0;
    this.highByte = false;
    this.mask = 0x0f;
  }

  save(): DeviceState {
    const { command, mask, requests, highByte } = this;
    return {
      base: Array.from(this.base),
      current: Array.from(this.current),
      modes: Array.from(this.modes),
      command,
      mask,
      requests,
      highByte,
    };
  }

  static check(state: DeviceState) {
    return {
      base: savedInts(state, 'base', 8, 0, 0xffff),
      current: savedInts(state, 'current', 8, 0, 0xffff),
      modes: savedInts(state, 'modes', 4, 0, 0xff),
      command: savedInt(state, 'command', 0, 0xff),
      mask: savedInt(state, 'mask', 0, 0x0f),
      requests: savedInt(state, 'requests', 0, 0x0f),
      highByte: savedFlag(state, 'highByte'),
    };
  }

  restore(state: DeviceState): void {
    const { base, current, modes, ...registers } = Dma8237.check(state);
    this.base.set(base);
    this.current.set(current);
    this.modes.set(modes);
    Object.assign(this, registers);
  }

  private writeWord(register: number, value: number): void {
    const before = this.base[register];
    const word = this.highByte ? (before & 0xff) | (value << 8) : (before & 0xff00) | value;
    this.highByte = !this.highByte;
    this.base[register] = word;
    this.current[register] = word;
  }
}
