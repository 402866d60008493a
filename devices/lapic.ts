/**
 * Local APIC: what stands between a vCPU and every interrupt that reaches it.
 *
 * Models (Intel SDM vol. 3, chapter 11 "Advanced programmable interrupt controller"; section numbers below are its): the xAPIC register
 * page and the x2APIC MSRs, IA32_APIC_BASE with its state changes (11.12.5), identification and logical destination, task, processor and
 * arbitration priority (11.8.3), IRR, ISR and TMR, EOI with broadcast and its suppression (11.8.5), the error status register (11.5.3),
 * the local vector table (11.5.1), the interrupt command register (11.6), the timer (see `lapic-timer.ts`).
 *
 * One table says which registers exist in which mode and which bits they have; both access paths share the registers behind it.
 * `update` is the one place where the request to the vCPU changes: any change of IRR, ISR, TPR or LINT0 ends there.
 *
 * The APIC ID is read-only, as since Nehalem. Lines are logical, so LVT polarity is only stored. Left out: the serial bus's checksum and
 * accept errors, focus processors, remote read, spurious interrupts (a request withdrawn by a raised TPR is withdrawn at once).
 *
 * @module
 */
import type { AccessSize, Clock, DeviceState, IrqLine, MmioDevice, Saveable } from '../vmm/bus.ts';
import {
  type ApicTarget,
  EXTINT,
  FIXED,
  INIT,
  LOWEST_PRIORITY,
  MSG_ASSERT,
  MSG_LEVEL,
  MSG_MODE,
  MSG_VECTOR,
  NMI,
  SMI,
  STARTUP,
} from './apic-bus.ts';
import * as reg from './lapic-registers.ts';
import { LapicTimer, type TscOffset } from './lapic-timer.ts';
import { savedFlag, savedInt, savedInts, savedParts } from './saved.ts';

export { MSR_APIC_BASE, MSR_TSC_DEADLINE, MSR_X2APIC_FIRST, MSR_X2APIC_LAST } from './lapic-registers.ts';

export const LAPIC_BYTES = 0x1000;
export const LAPIC_DEFAULT_BASE = 0xfee0_0000;

/** The vCPU's side: what the local APIC asks of it. All are called synchronously. */
export interface LapicCpu {
  /** The request for an interrupt (`interrupt` below) rose or fell. */
  intr(level: boolean): void;
  nmi(): void;
  smi(): void;
  /** The local APIC has already gone through its own INIT reset. */
  init(): void;
  sipi(vector: number): void;
  /** TPR[7:4] is now this, by other ways than `setTpr`. */
  tprChanged?(cr8: number): void;
  /** IA32_APIC_BASE changed: the page moved, appeared or went (EN and EXTD), and with EN CPUID's APIC bit. */
  apicBaseChanged?(lo: number, hi: number): void;
  /** The acknowledge cycle of an ExtINT: the external controller's vector. */
  extIntAck?(): number;
}

/** What to call when something happens, for probes. */
export interface LapicTrace {
  /** `register` is the offset in the page, in x2APIC mode too. */
  apicRead?(register: number, value: number): void;
  apicWrite?(register: number, value: number): void;
  apicAcceptIrq?(apicId: number, mode: number, trigger: number, vector: number): void;
  eoi?(apicId: number, vector: number): void;
  apicIpi?(icrLow: number, destination: number): void;
}

export interface LapicOptions {
  /** x2APIC ID; its low 8 bits are the xAPIC ID. */
  readonly id: number;
  readonly bootstrap: boolean;
  readonly clock: Clock;
  /** See `ApicBus`. */
  readonly bus: {
    deliver(message: number, destination: number, wide: boolean, source: ApicTarget): number;
    eoi(vector: number): void;
  };
  readonly cpu: LapicCpu;
  /** Absent: the TSC equals the clock. */
  readonly tsc?: TscOffset;
  /** Frequency of the timer's bus clock; default 1 GHz. */
  readonly timerHz?: number;
  /** Width of a physical address, 33 to 52; default 40. */
  readonly physicalBits?: number;
  readonly trace?: LapicTrace;
}

export class Lapic implements MmioDevice, Saveable, ApicTarget {
  readonly id: number;
  readonly irr = new Int32Array(8);
  readonly isr = new Int32Array(8);
  readonly tmr = new Int32Array(8);
  /** The value of the last successful `msrRead`, unsigned halves. */
  lo = 0;
  hi = 0;

  readonly #bootstrap: boolean;
  readonly #bus: LapicOptions['bus'];
  readonly #cpu: LapicCpu;
  readonly #trace: LapicTrace | undefined;
  readonly #timer: LapicTimer;
  /** Bits of IA32_APIC_BASE's high half beyond the physical address. */
  readonly #baseHiReserved: number;
  #baseLo = 0;
  #baseHi = 0;
  #tpr = 0;
  #ldr = 0;
  #dfr = 0xf;
  #svr = 0xff;
  #icrLo = 0;
  #icrHi = 0;
  #esr = 0;
  /** Errors since the last write of ESR; the error interrupt is armed while there are none. */
  #errors = 0;
  /** LVT entries by register number less LVT_CMCI (two places stay empty). */
  readonly #lvt = new Int32Array(reg.LVT_ERROR - reg.LVT_CMCI + 1);
  readonly #lint = [false, false];
  /** An ExtINT message awaits its acknowledge. */
  #extInt = false;
  /** Highest vectors in IRR and ISR, or -1. */
  #requested = -1;
  #served = -1;
  #signal = false;

  constructor(options: LapicOptions) {
    this.id = options.id;
    this.#bootstrap = options.bootstrap;
    this.#bus = options.bus;
    this.#cpu = options.cpu;
    this.#trace = options.trace;
    const physicalBits = options.physicalBits ?? 40;
    this.#baseHiReserved = (-1 << (physicalBits - 32)) >>> 0;
    this.#timer = new LapicTimer({
      clock: options.clock,
      name: `lapic${options.id}-timer`,
      timerHz: options.timerHz ?? 1e9,
      tsc: options.tsc ?? { lo: () => 0, hi: () => 0 },
      expired: () => this.#local(reg.LVT_TIMER),
    });
    this.#lvt.fill(reg.LVT_MASK);
    this.#baseLo = this.#resetBase();
  }

  #resetBase(): number {
    return (LAPIC_DEFAULT_BASE | reg.BASE_EN | (this.#bootstrap ? reg.BASE_BSP : 0)) >>> 0;
  }

  /** Power-on reset (11.4.7.1). The LINT wires keep their levels. */
  reset(): void {
    this.#baseLo = this.#resetBase();
    this.#baseHi = 0;
    this.#resetRegisters();
    this.#cpu.apicBaseChanged?.(this.#baseLo, this.#baseHi);
  }

  /** INIT reset (11.4.7.3): all but the ID and IA32_APIC_BASE. */
  init(): void {
    this.#resetRegisters();
  }

  #resetRegisters(): void {
    this.irr.fill(0);
    this.isr.fill(0);
    this.tmr.fill(0);
    this.#requested = -1;
    this.#served = -1;
    this.#ldr = 0;
    this.#dfr = 0xf;
    this.#svr = 0xff;
    this.#icrLo = 0;
    this.#icrHi = 0;
    this.#esr = 0;
    this.#errors = 0;
    this.#lvt.fill(reg.LVT_MASK);
    this.#extInt = false;
    this.#timer.reset();
    this.#writeTpr(0);
  }

  /** What firmware leaves for an operating system: the APIC enabled in virtual wire mode, LINT0 = ExtINT and LINT1 = NMI (11.4.3, MP specification 3.6.2.2). */
  virtualWire(): void {
    this.#writeSvr(reg.SVR_ENABLE | 0xff);
    this.#writeLvt(reg.LVT_LINT0, EXTINT << 8);
    this.#writeLvt(reg.LVT_LINT1, NMI << 8);
  }

  get present(): boolean {
    return (this.#baseLo & reg.BASE_EN) !== 0;
  }

  get enabled(): boolean {
    return (this.#svr & reg.SVR_ENABLE) !== 0 && this.present;
  }

  get x2apic(): boolean {
    return (this.#baseLo & reg.BASE_EXTD) !== 0;
  }

  /** IA32_APIC_BASE, unsigned halves. */
  get baseLo(): number {
    return this.#baseLo;
  }

  get baseHi(): number {
    return this.#baseHi;
  }

  // Destinations (11.6.2, 11.12.10).

  matchesPhysical(destination: number): boolean {
    return destination === (this.x2apic ? this.id : this.id & 0xff);
  }

  matchesLogical(destination: number): boolean {
    if (this.x2apic) {
      const own = this.#x2apicLdr();
      return destination >>> 16 === own >>> 16 && (destination & own & 0xffff) !== 0;
    }
    if (destination > 0xff) return false;
    const own = this.#ldr >>> 24;
    if (this.#dfr === 0xf) return (destination & own) !== 0;
    if (this.#dfr !== 0) return false;
    const cluster = destination >> 4;
    return (cluster === own >> 4 || cluster === 15) && (destination & own & 15) !== 0;
  }

  /** Cluster in 31:16, one bit of 15:0 (11.12.10.2). */
  #x2apicLdr(): number {
    return (((this.id >>> 4) << 16) | (1 << (this.id & 15))) >>> 0;
  }

  // Priorities (11.8.3). Only the class, bits 7:4, decides.

  #ppr(): number {
    const served = this.#served < 0 ? 0 : this.#served & 0xf0;
    return (this.#tpr & 0xf0) >= served ? this.#tpr : served;
  }

  arbitrationPriority(): number {
    const requested = this.#requested < 0 ? 0 : this.#requested >> 4;
    const served = this.#served < 0 ? 0 : this.#served >> 4;
    const task = this.#tpr >> 4;
    if (task >= requested && task > served) return this.#tpr;
    return Math.max(task & served, requested) << 4;
  }

  /** The highest requested vector whose class is above the processor's priority, or -1. */
  pending(): number {
    if (this.#requested < 0 || !this.present) return -1;
    return this.#requested >> 4 > this.#ppr() >> 4 ? this.#requested : -1;
  }

  /** True while an external controller's interrupt is to be acknowledged: ahead of the APIC's own. */
  extIntPending(): boolean {
    if (!this.present) return this.#lint[0];
    const lint0 = this.#lvt[reg.LVT_LINT0 - reg.LVT_CMCI];
    return this.#extInt || (this.#lint[0] && (lint0 & (reg.LVT_MASK | reg.LVT_MODE)) === EXTINT << 8);
  }

  /** The request to the vCPU, as last told by `intr`. */
  get interrupt(): boolean {
    return this.#signal;
  }

  #update(): void {
    const level = this.pending() >= 0 || this.extIntPending();
    if (level === this.#signal) return;
    this.#signal = level;
    this.#cpu.intr(level);
  }

  /** The vCPU takes an interrupt: its vector, from IRR to ISR, or from the external controller; -1 when there is none. */
  ack(): number {
    if (this.extIntPending() && this.#cpu.extIntAck !== undefined) {
      this.#extInt = false;
      const vector = this.#cpu.extIntAck();
      this.#update();
      return vector;
    }
    const vector = this.pending();
    if (vector < 0) return -1;
    const bit = 1 << (vector & 31);
    this.irr[vector >> 5] &= ~bit;
    this.isr[vector >> 5] |= bit;
    this.#requested = highest(this.irr);
    this.#served = vector;
    this.#update();
    return vector;
  }

  /** Takes a message of the bus. Returns whether it was taken. */
  accept(vector: number, trigger: number, mode: number): boolean {
    if (!this.present) return false;
    this.#trace?.apicAcceptIrq?.(this.id, mode, trigger, vector);
    switch (mode) {
      case FIXED:
      case LOWEST_PRIORITY:
        return this.#acceptFixed(vector, trigger);
      case SMI:
        this.#cpu.smi();
        return true;
      case NMI:
        this.#cpu.nmi();
        return true;
      case INIT:
        this.init();
        this.#cpu.init();
        return true;
      case STARTUP:
        this.#cpu.sipi(vector);
        return true;
      case EXTINT:
        this.#extInt = true;
        this.#update();
        return true;
      default:
        return false;
    }
  }

  #acceptFixed(vector: number, trigger: number): boolean {
    if (!this.enabled) return false;
    if (vector < 16) {
      this.#error(reg.ERROR_RECEIVE_VECTOR);
      return false;
    }
    const word = vector >> 5;
    const bit = 1 << (vector & 31);
    this.irr[word] |= bit;
    this.tmr[word] = trigger === 0 ? this.tmr[word] & ~bit : this.tmr[word] | bit;
    if (vector > this.#requested) this.#requested = vector;
    this.#update();
    return true;
  }

  /** Ends the interrupt in service with the highest vector (11.8.5). */
  #eoi(): void {
    const vector = this.#served;
    if (vector < 0) return;
    const word = vector >> 5;
    const bit = 1 << (vector & 31);
    this.isr[word] &= ~bit;
    this.#served = highest(this.isr);
    this.#trace?.eoi?.(this.id, vector);
    if ((this.tmr[word] & bit) !== 0) this.#endLevel(vector);
    this.#update();
  }

  #endLevel(vector: number): void {
    const at = reg.LVT_LINT0 - reg.LVT_CMCI;
    const lint0 = this.#lvt[at];
    if ((lint0 & reg.LVT_REMOTE_IRR) !== 0 && (lint0 & reg.LVT_VECTOR) === vector) {
      this.#lvt[at] = lint0 & ~reg.LVT_REMOTE_IRR;
      this.#senseLint0();
    }
    if ((this.#svr & reg.SVR_SUPPRESS_EOI) === 0) this.#bus.eoi(vector);
  }

  /** The first error since ESR was last written sends the error interrupt (11.5.3). */
  #error(bit: number): void {
    const armed = this.#errors === 0;
    this.#errors |= bit;
    if (armed) this.#local(reg.LVT_ERROR);
  }

  // Local interrupts (11.5.1).

  /** LINT0 or LINT1. While the APIC is disabled they are the processor's INTR and NMI pins. */
  lint(n: 0 | 1): IrqLine {
    return { set: (level: boolean): void => this.#setLint(n, level) };
  }

  #setLint(n: 0 | 1, level: boolean): void {
    const rises = level && this.#lint[n] === false;
    this.#lint[n] = level;
    if (!this.present) {
      if (n === 1 && rises) this.#cpu.nmi();
    } else if (n === 0 && isLevel(this.#lvt[reg.LVT_LINT0 - reg.LVT_CMCI])) this.#senseLint0();
    else if (rises) this.#local(n === 0 ? reg.LVT_LINT0 : reg.LVT_LINT1);
    this.#update();
  }

  /** LINT0 as a fixed level interrupt: asks once, again after its EOI. LINT1 is never level (11.5.1, trigger mode). */
  #senseLint0(): void {
    const at = reg.LVT_LINT0 - reg.LVT_CMCI;
    const lint0 = this.#lvt[at];
    if (this.#lint[0] === false || !isLevel(lint0) || (lint0 & (reg.LVT_MASK | reg.LVT_REMOTE_IRR)) !== 0) return;
    this.#lvt[at] = lint0 | reg.LVT_REMOTE_IRR;
    if (!this.accept(lint0 & reg.LVT_VECTOR, 1, FIXED)) this.#lvt[at] = lint0;
  }

  /** The processor's performance counters overflowed. The entry masks itself (11.5.1, "LVT performance monitoring counters register"). */
  performanceInterrupt(): void {
    this.#local(reg.LVT_PERFORMANCE);
    this.#lvt[reg.LVT_PERFORMANCE - reg.LVT_CMCI] |= reg.LVT_MASK;
  }

  thermalInterrupt(): void {
    this.#local(reg.LVT_THERMAL);
  }

  /** A corrected machine check reached its threshold. */
  cmci(): void {
    this.#local(reg.LVT_CMCI);
  }

  /** Sends what an LVT entry says, as an edge, unless masked. ExtINT is a matter of LINT0's level: see `extIntPending`. */
  #local(entry: number): void {
    const lvt = this.#lvt[entry - reg.LVT_CMCI];
    if ((lvt & reg.LVT_MASK) !== 0) return;
    const mode = (lvt & reg.LVT_MODE) >> 8;
    if (mode === FIXED || mode === SMI || mode === NMI || mode === INIT) this.accept(lvt & reg.LVT_VECTOR, 0, mode);
  }

  // The register page and the MSRs.

  /** Reads outside a register's own four bytes are undefined in the SDM: 0 here. */
  mmioRead(offset: number, size: AccessSize): number {
    if ((this.#baseLo & (reg.BASE_EN | reg.BASE_EXTD)) !== reg.BASE_EN) return size === 4 ? 0xffff_ffff : size === 2 ? 0xffff : 0xff;
    const number = (offset >> 4) & 0xff;
    if ((offset & 15) > 3) return 0;
    if (number > 63 || reg.ACCESS[number] === 0 || number === reg.SELF_IPI) {
      this.#error(reg.ERROR_REGISTER);
      return 0;
    }
    const whole = (reg.ACCESS[number] & reg.XR) === 0 ? 0 : this.#read(number) >>> 0;
    this.#trace?.apicRead?.(number << 4, whole);
    const value = whole >>> ((offset & 3) * 8);
    return size === 4 ? value : value & (size === 2 ? 0xffff : 0xff);
  }

  /** Only aligned 32-bit writes are defined; others do nothing. */
  mmioWrite(offset: number, size: AccessSize, value: number): void {
    if ((this.#baseLo & (reg.BASE_EN | reg.BASE_EXTD)) !== reg.BASE_EN) return;
    if (size !== 4 || (offset & 15) !== 0) return;
    const number = (offset >> 4) & 0xff;
    if (number > 63 || reg.ACCESS[number] === 0 || number === reg.SELF_IPI) {
      this.#error(reg.ERROR_REGISTER);
      return;
    }
    this.#trace?.apicWrite?.(number << 4, value >>> 0);
    if ((reg.ACCESS[number] & reg.XW) !== 0) this.#write(number, value & reg.BITS[number]);
  }

  /** Reads IA32_APIC_BASE, IA32_TSC_DEADLINE or an x2APIC register into `lo` and `hi`. False: #GP(0). */
  msrRead(index: number): boolean {
    if (index === reg.MSR_APIC_BASE) {
      this.lo = this.#baseLo;
      this.hi = this.#baseHi;
      return true;
    }
    if (index === reg.MSR_TSC_DEADLINE) {
      this.lo = this.#timer.deadlineLo();
      this.hi = this.#timer.deadlineHi();
      return true;
    }
    const number = index - reg.MSR_X2APIC_FIRST;
    if (!this.x2apic || number < 0 || number > 63 || (reg.ACCESS[number] & reg.X2R) === 0) return false;
    this.lo = this.#read(number) >>> 0;
    this.hi = number === reg.ICR ? this.#icrHi : 0;
    this.#trace?.apicRead?.(number << 4, this.lo);
    return true;
  }

  /** Writes one of those; `lo` and `hi` are unsigned halves. False: #GP(0), and nothing changed. */
  msrWrite(index: number, lo: number, hi: number): boolean {
    if (index === reg.MSR_APIC_BASE) return this.#writeBase(lo, hi);
    if (index === reg.MSR_TSC_DEADLINE) {
      this.#timer.writeDeadline(lo, hi);
      return true;
    }
    const number = index - reg.MSR_X2APIC_FIRST;
    if (!this.x2apic || number < 0 || number > 63 || (reg.ACCESS[number] & reg.X2W) === 0) return false;
    if ((lo & ~reg.BITS[number]) !== 0 || (hi !== 0 && number !== reg.ICR)) return false;
    this.#trace?.apicWrite?.(number << 4, lo);
    if (number === reg.ICR) this.#icrHi = hi;
    this.#write(number, lo);
    return true;
  }

  /** IA32_APIC_BASE: the legal changes of state are figure 11-27's. */
  #writeBase(lo: number, hi: number): boolean {
    if ((lo & reg.BASE_RESERVED) !== 0 || (hi & this.#baseHiReserved) !== 0) return false;
    const from = this.#baseLo & (reg.BASE_EN | reg.BASE_EXTD);
    const to = lo & (reg.BASE_EN | reg.BASE_EXTD);
    if (to === reg.BASE_EXTD) return false;
    if (from === 0 && to === (reg.BASE_EN | reg.BASE_EXTD)) return false;
    if (from === (reg.BASE_EN | reg.BASE_EXTD) && to === reg.BASE_EN) return false;
    this.#baseLo = lo >>> 0;
    this.#baseHi = hi >>> 0;
    // Disabling loses the registers (11.4.3); entering x2APIC mode keeps all but the old destination format (11.12.5.1).
    if (to === 0 && from !== 0) this.#resetRegisters();
    if (to !== from && to === (reg.BASE_EN | reg.BASE_EXTD)) this.#icrHi = 0;
    this.#cpu.apicBaseChanged?.(this.#baseLo, this.#baseHi);
    this.#update();
    return true;
  }

  #read(number: number): number {
    if (number >= reg.ISR && number < reg.ESR) return this.#readBitmap(number);
    switch (number) {
      case reg.ID:
        return this.x2apic ? this.id : this.id << 24;
      case reg.VERSION:
        return reg.VERSION_VALUE;
      case reg.TPR:
        return this.#tpr;
      case reg.APR:
        return this.arbitrationPriority();
      case reg.PPR:
        return this.#ppr();
      case reg.LDR:
        return this.x2apic ? this.#x2apicLdr() : this.#ldr;
      case reg.DFR:
        return (this.#dfr << 28) | 0x0fff_ffff;
      case reg.SVR:
        return this.#svr;
      case reg.ESR:
        return this.#esr;
      case reg.ICR:
        return this.#icrLo;
      case reg.ICR_HIGH:
        return this.#icrHi;
      case reg.INITIAL_COUNT:
        return this.#timer.initial;
      case reg.CURRENT_COUNT:
        return this.#timer.current();
      case reg.DIVIDE:
        return this.#timer.divideConfig;
      case reg.RRD:
        return 0;
      default:
        return this.#lvt[number - reg.LVT_CMCI];
    }
  }

  #readBitmap(number: number): number {
    const bitmap = number < reg.TMR ? this.isr : number < reg.IRR ? this.tmr : this.irr;
    return bitmap[number & 7];
  }

  /** `value` has no reserved bits. */
  #write(number: number, value: number): void {
    switch (number) {
      case reg.TPR:
        this.#writeTpr(value);
        break;
      case reg.EOI:
        this.#eoi();
        break;
      case reg.LDR:
        this.#ldr = value;
        break;
      case reg.DFR:
        this.#dfr = value >>> 28;
        break;
      case reg.SVR:
        this.#writeSvr(value);
        break;
      case reg.ESR:
        this.#esr = this.#errors;
        this.#errors = 0;
        break;
      case reg.ICR:
        this.#icrLo = value & ~reg.ICR_STATUS;
        this.#send(this.#icrLo, this.x2apic ? this.#icrHi : this.#icrHi >>> 24);
        break;
      case reg.ICR_HIGH:
        this.#icrHi = value >>> 0;
        break;
      case reg.SELF_IPI:
        this.#send(0x40000 | value, 0);
        break;
      case reg.INITIAL_COUNT:
        this.#timer.writeInitial(value >>> 0);
        break;
      case reg.DIVIDE:
        this.#timer.writeDivide(value);
        break;
      default:
        this.#writeLvt(number, value);
        break;
    }
  }

  #writeTpr(value: number): void {
    this.#tpr = value;
    this.#cpu.tprChanged?.(value >> 4);
    this.#update();
  }

  /** MOV to CR8: TPR[7:4] (11.8.6). */
  setTpr(cr8: number): void {
    this.#tpr = (cr8 & 15) << 4;
    this.#update();
  }

  /** TPR[7:4]. */
  get cr8(): number {
    return this.#tpr >> 4;
  }

  /** Software disabling masks every LVT entry (11.4.7.2). */
  #writeSvr(value: number): void {
    this.#svr = value;
    if ((value & reg.SVR_ENABLE) !== 0) return;
    for (let i = 0; i < this.#lvt.length; i++) this.#lvt[i] |= reg.LVT_MASK;
    this.#configureTimer();
    this.#update();
  }

  #writeLvt(number: number, value: number): void {
    const at = number - reg.LVT_CMCI;
    let lvt = value & ~(reg.LVT_STATUS | reg.LVT_REMOTE_IRR);
    if ((this.#svr & reg.SVR_ENABLE) === 0) lvt |= reg.LVT_MASK;
    if (isLevel(lvt)) lvt |= this.#lvt[at] & reg.LVT_REMOTE_IRR;
    this.#lvt[at] = lvt;
    if (number === reg.LVT_TIMER) this.#configureTimer();
    if (number === reg.LVT_LINT0) {
      this.#senseLint0();
      this.#update();
    }
  }

  #configureTimer(): void {
    const lvt = this.#lvt[reg.LVT_TIMER - reg.LVT_CMCI];
    this.#timer.configure((lvt >> 17) & 3, (lvt & reg.LVT_MASK) !== 0);
  }

  /** The guest moved its TSC, so an armed TSC deadline falls at another time. */
  tscChanged(): void {
    this.#timer.tscChanged();
  }

  /** Interprocessor interrupts (11.6.1). */
  #send(low: number, destination: number): void {
    this.#trace?.apicIpi?.(low, destination);
    const mode = (low & MSG_MODE) >> 8;
    if ((mode === FIXED || mode === LOWEST_PRIORITY) && (low & MSG_VECTOR) < 16) {
      this.#error(reg.ERROR_SEND_VECTOR);
      return;
    }
    if (mode === 3 || mode === EXTINT) return;
    // Level and trigger mode matter to INIT alone: its de-assert does nothing since the Pentium 4, all else is sent as an edge.
    if (mode === INIT && (low & (MSG_LEVEL | MSG_ASSERT)) === MSG_LEVEL) return;
    this.#bus.deliver((low & ~MSG_LEVEL) | MSG_ASSERT, destination, this.x2apic, this);
  }

  save(): DeviceState {
    return {
      base: [this.#baseLo, this.#baseHi],
      irr: unsigned(this.irr),
      isr: unsigned(this.isr),
      tmr: unsigned(this.tmr),
      lvt: unsigned(this.#lvt),
      tpr: this.#tpr,
      ldr: this.#ldr >>> 0,
      dfr: this.#dfr,
      svr: this.#svr,
      icr: [this.#icrLo >>> 0, this.#icrHi],
      esr: this.#esr,
      errors: this.#errors,
      lint0: this.#lint[0],
      lint1: this.#lint[1],
      extInt: this.#extInt,
      signal: this.#signal,
      timer: [this.#timer.save()],
    };
  }

  /** Tells the vCPU nothing: its own state is restored beside this. */
  restore(state: DeviceState): void {
    const word = 0xffff_ffff;
    const [baseLo, baseHi] = savedInts(state, 'base', 2, 0, word);
    const irr = savedInts(state, 'irr', 8, 0, word);
    const isr = savedInts(state, 'isr', 8, 0, word);
    const tmr = savedInts(state, 'tmr', 8, 0, word);
    const lvt = savedInts(state, 'lvt', this.#lvt.length, 0, word);
    const tpr = savedInt(state, 'tpr', 0, 0xff);
    const ldr = savedInt(state, 'ldr', 0, word);
    const dfr = savedInt(state, 'dfr', 0, 15);
    const svr = savedInt(state, 'svr', 0, reg.BITS[reg.SVR]);
    const [icrLo, icrHi] = savedInts(state, 'icr', 2, 0, word);
    const esr = savedInt(state, 'esr', 0, 0xff);
    const errors = savedInt(state, 'errors', 0, 0xff);
    const lint0 = savedFlag(state, 'lint0');
    const lint1 = savedFlag(state, 'lint1');
    const extInt = savedFlag(state, 'extInt');
    const signal = savedFlag(state, 'signal');
    this.#timer.restore(savedParts(state, 'timer', 1)[0] as DeviceState);
    this.#baseLo = baseLo;
    this.#baseHi = baseHi;
    this.irr.set(irr);
    this.isr.set(isr);
    this.tmr.set(tmr);
    this.#lvt.set(lvt);
    this.#requested = highest(this.irr);
    this.#served = highest(this.isr);
    this.#tpr = tpr;
    this.#ldr = ldr;
    this.#dfr = dfr;
    this.#svr = svr;
    this.#icrLo = icrLo;
    this.#icrHi = icrHi;
    this.#esr = esr;
    this.#errors = errors;
    this.#lint[0] = lint0;
    this.#lint[1] = lint1;
    this.#extInt = extInt;
    this.#signal = signal;
  }
}

/** True for a fixed interrupt that is level-triggered: the others are edges whatever the trigger mode says (11.5.1). */
function isLevel(lvt: number): boolean {
  return (lvt & (reg.LVT_LEVEL | reg.LVT_MODE)) === reg.LVT_LEVEL;
}

/** The highest vector whose bit is set, or -1. */
function highest(bitmap: Int32Array): number {
  for (let word = 7; word >= 0; word--) {
    const bits = bitmap[word];
    if (bits !== 0) return (word << 5) | (31 - Math.clz32(bits));
  }
  return -1;
}

function unsigned(words: Int32Array): number[] {
  return Array.from(words, (word) => word >>> 0);
}
