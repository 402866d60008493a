/**
 * ACPI fixed hardware: PM1a event and control blocks, the power management timer, GPE block 0, and the SMI command and status ports.
 *
 * Specification: ACPI 6.5, sections 4.8.2 (events), 4.8.3.1 (PM1 registers), 4.8.3.3 (PM timer), 4.8.4.1 (general-purpose events); Intel ICH9 data
 * sheet 13.7.1 and 13.7.2 (APM_CNT, APM_STS at B2h and B3h).
 *
 * The board is always in ACPI mode (SCI_EN reads 1), so the FADT names no SMI command; B2h and B3h are plain latches. The SCI is one level:
 * high while any status bit and its enable bit are both set. A power button pressed outside comes in by `powerButton()`.
 *
 * The PM timer counts the VM's clock at 3.579545 MHz, exactly: ticks = floor(ns * 3,579,545 / 10^9), worked out from whole seconds and the rest so
 * that nothing rounds. TMR_STS follows the top bit lazily; a deadline is armed only while TMR_EN is set and TMR_STS is not.
 *
 * Left out: PM1b, PM2, sleep states other than S5 (they reach the callback with their type), wake-up, the C-state ports, RTC wake.
 *
 * @module
 */
import type { AccessSize, Clock, Deadline, DeviceState, IrqLine, PortBus, PortDevice, Saveable } from '../vmm/bus.ts';
import { StateError } from '../vmm/bus.ts';
import { savedInt } from './saved.ts';

export const PM_BASE = 0x600;
/** Offsets of the blocks from the base, and the lengths that the FADT tells. */
export const PM1_EVENT = 0x00;
export const PM1_CONTROL = 0x04;
export const PM_TIMER = 0x08;
export const GPE0 = 0x0c;
export const PM_PORTS = 0x10;
export const SMI_PORT = 0xb2;

/** SLP_TYP of S5, as the DSDT's \_S5 tells it. */
export const SLP_TYP_S5 = 5;
export const PM_TIMER_HZ = 3_579_545;

const TMR = 0x0001;
const GBL = 0x0020;
const PWRBTN = 0x0100;
const SLPBTN = 0x0200;
const RTC = 0x0400;
const WAK = 0x8000;
const STATUS_BITS = TMR | GBL | PWRBTN | SLPBTN | RTC | WAK;
const ENABLE_BITS = TMR | GBL | PWRBTN | SLPBTN | RTC;
const SCI_EN = 0x0001;
const CONTROL_BITS = 0x1c02; // SLP_TYP and BM_RLD; GBL_RLS and SLP_EN are write-only
const SLP_EN = 0x2000;
const SECOND_NS = 1_000_000_000;

export interface PowerManagementOptions {
  readonly sci: IrqLine;
  readonly clock: Clock;
  /** Called when the guest sets SLP_EN, with SLP_TYP (0 to 7): 5 is S5, soft off. */
  readonly sleep: (type: number) => void;
  /** First port, a multiple of 16. Default 600h. */
  readonly base?: number;
  /** Width of the PM timer; the FADT's TMR_VAL_EXT says 32. Default 32. */
  readonly timerBits?: 24 | 32;
}

export class PowerManagement implements PortDevice, Saveable {
  private readonly sci: IrqLine;
  private readonly clock: Clock;
  private readonly sleep: (type: number) => void;
  private readonly base: number;
  /** Ticks between two changes of the timer's top bit. */
  private readonly half: number;
  private readonly event: Deadline;
  private status = 0;
  private enable = 0;
  private control = 0;
  private gpeStatus = 0;
  private gpeEnable = 0;
  private smiCommand = 0;
  private smiStatus = 0;
  /** TMR_STS is right up to this time. */
  private checked: number;

  constructor(options: PowerManagementOptions) {
    this.sci = options.sci;
    this.clock = options.clock;
    this.sleep = options.sleep;
    this.base = options.base ?? PM_BASE;
    this.half = 2 ** ((options.timerBits ?? 32) - 1);
    this.event = options.clock.deadline('pm-timer', (now) => this.settle(now));
    this.checked = options.clock.now();
  }

  attach(ports: PortBus): void {
    ports.addPorts(this.base, PM_PORTS, this, 'pm');
    ports.addPorts(SMI_PORT, 2, this, 'smi-command');
  }

  portRead(port: number, size: AccessSize): number {
    const offset = port - this.base;
    if (offset === PM_TIMER && size === 4) return this.timer(this.clock.now());
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readByte(port + i) << (8 * i);
    return value >>> 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.writeByte(port + i, (value >>> (8 * i)) & 0xff);
  }

  /** Presses the power button: PWRBTN_STS, and an SCI if the guest enabled it. */
  powerButton(): void {
    this.status |= PWRBTN;
    this.settle(this.clock.now());
  }

  /** The guest has enabled the power button's event. */
  get listensToButton(): boolean {
    return (this.enable & PWRBTN) !== 0;
  }

  /** Raises general-purpose event `index` (0 to 15). */
  generalEvent(index: number): void {
    this.gpeStatus |= (1 << index) & 0xffff;
    this.settle(this.clock.now());
  }

  reset(): void {
    this.status = 0;
    this.enable = 0;
    this.control = 0;
    this.gpeStatus = 0;
    this.gpeEnable = 0;
    this.smiCommand = 0;
    this.smiStatus = 0;
    this.checked = this.clock.now();
    this.drive();
  }

  save(): DeviceState {
    const { status, enable, control, gpeStatus, gpeEnable, smiCommand, smiStatus, checked } = this;
    return { status, enable, control, gpeStatus, gpeEnable, smiCommand, smiStatus, checked };
  }

  restore(state: DeviceState): void {
    const word = (key: string, bits: number) => savedRegister(state, key, bits);
    const saved = {
      status: word('status', STATUS_BITS),
      enable: word('enable', ENABLE_BITS),
      control: word('control', CONTROL_BITS),
      gpeStatus: word('gpeStatus', 0xffff),
      gpeEnable: word('gpeEnable', 0xffff),
      smiCommand: word('smiCommand', 0xff),
      smiStatus: word('smiStatus', 0xff),
    };
    const checked = savedInt(state, 'checked', 0, Number.MAX_SAFE_INTEGER);
    Object.assign(this, saved, { checked });
    this.drive();
  }

  private readByte(port: number): number {
    if (port === SMI_PORT) return this.smiCommand;
    if (port === SMI_PORT + 1) return this.smiStatus;
    const offset = port - this.base;
    if (offset < 0 || offset >= PM_PORTS) return 0xff;
    const shift = 8 * (offset & 1);
    switch (offset & ~1) {
      case PM1_EVENT:
        this.settle(this.clock.now());
        return (this.status >> shift) & 0xff;
      case PM1_EVENT + 2:
        return (this.enable >> shift) & 0xff;
      case PM1_CONTROL:
        return ((this.control | SCI_EN) >> shift) & 0xff;
      case PM_TIMER:
      case PM_TIMER + 2:
        return (this.timer(this.clock.now()) >>> (8 * (offset & 3))) & 0xff;
      case GPE0:
        return (this.gpeStatus >> shift) & 0xff;
      case GPE0 + 2:
        return (this.gpeEnable >> shift) & 0xff;
      default:
        return 0;
    }
  }

  private writeByte(port: number, value: number): void {
    if (port === SMI_PORT) this.smiCommand = value;
    else if (port === SMI_PORT + 1) this.smiStatus = value;
    const offset = port - this.base;
    if (offset < 0 || offset >= PM_PORTS) return;
    this.catchUp(this.clock.now());
    const shift = 8 * (offset & 1);
    const bits = value << shift;
    const keep = 0xff00 >> shift;
    switch (offset & ~1) {
      case PM1_EVENT: // a one clears
        this.status &= ~bits;
        break;
      case PM1_EVENT + 2:
        this.enable = ((this.enable & keep) | bits) & ENABLE_BITS;
        break;
      case PM1_CONTROL:
        this.control = ((this.control & keep) | bits) & CONTROL_BITS;
        if (bits & SLP_EN) this.sleep((bits >> 10) & 7);
        break;
      case GPE0:
        this.gpeStatus &= ~bits;
        break;
      case GPE0 + 2:
        this.gpeEnable = (this.gpeEnable & keep) | bits;
        break;
      default: // the timer is read-only
        break;
    }
    this.drive();
  }

  private timer(now: number): number {
    return ticksAt(now) % (2 * this.half);
  }

  /** Sets TMR_STS if the timer's top bit changed, either way, in (checked, now]. */
  private catchUp(now: number): void {
    if (Math.floor(ticksAt(now) / this.half) !== Math.floor(ticksAt(this.checked) / this.half)) this.status |= TMR;
    this.checked = now;
  }

  private settle(now: number): void {
    this.catchUp(now);
    this.drive();
  }

  private drive(): void {
    this.sci.set((this.status & this.enable & ENABLE_BITS) !== 0 || (this.gpeStatus & this.gpeEnable) !== 0);
    if (this.enable & ~this.status & TMR) this.event.arm(tickTime((Math.floor(ticksAt(this.checked) / this.half) + 1) * this.half));
    else this.event.cancel();
  }
}

/** Ticks of the PM timer in `ns` nanoseconds; every product stays below 2^53. */
function ticksAt(ns: number): number {
  const seconds = Math.floor(ns / SECOND_NS);
  return seconds * PM_TIMER_HZ + Math.floor(((ns - seconds * SECOND_NS) * PM_TIMER_HZ) / SECOND_NS);
}

/** The first nanosecond at which `tick` is reached. */
function tickTime(tick: number): number {
  const seconds = Math.floor(tick / PM_TIMER_HZ);
  return seconds * SECOND_NS + Math.ceil(((tick - seconds * PM_TIMER_HZ) * SECOND_NS) / PM_TIMER_HZ);
}

/** A saved register that has no other bits than `bits`. */
function savedRegister(state: DeviceState, key: string, bits: number): number {
  const value = savedInt(state, key, 0, bits);
  if ((value & ~bits) !== 0) throw new StateError(`${key}: not a value of the register`);
  return value;
}
