/**
 * MC146818 real-time clock with 128 bytes of CMOS RAM, at ports 70h (index, NMI mask) and 71h (data), interrupt line IRQ 8.
 *
 * Specification: Motorola MC146818 data sheet (time, calendar and alarm bytes; registers A to D; update cycle), Intel ICH9 data sheet
 * section 13.6 (ports, NMI mask bit), ACPI 4.8.2.4 (century byte), IBM PC/AT technical reference (CMOS RAM addresses).
 *
 * Time is a fixed epoch plus the VM's clock. Nothing ticks: the time bytes are worked out when they are read, and the flags of
 * register C when that is read, over the span since they last were. A deadline is armed only while an interrupt is enabled whose
 * flag is not yet set, so a guest that never asks for RTC interrupts costs nothing.
 *
 * The update cycle follows the data sheet for the 32.768 kHz time base: UIP rises 244 us before the cycle, which lasts 1984 us; the time
 * bytes change, and UF and AF are set, at its end. Reading them during the cycle gives the old time (the data sheet leaves it undefined).
 *
 * Left out: daylight saving (DSE is stored), the SQW pin (SQWE is stored), other time bases than the PC's crystal, the extended RAM bank at
 * 72h/73h.
 *
 * @module
 */
import type { AccessSize, Clock, Deadline, DeviceState, IrqLine, PortBus, PortDevice, Saveable } from '../vmm/bus.ts';
import { savedFlag, savedInt, savedInts } from './saved.ts';

export const RTC_PORT = 0x70;
/** 2026-01-01T00:00:00Z in seconds since 1970. */
export const DEFAULT_EPOCH_SECONDS = 1_767_225_600;

// Time, calendar and alarm bytes (MC146818, table 2) and the century byte that the FADT points at.
const SECONDS = 0x00;
const SECONDS_ALARM = 0x01;
const MINUTES = 0x02;
const MINUTES_ALARM = 0x03;
const HOURS = 0x04;
const HOURS_ALARM = 0x05;
const WEEKDAY = 0x06;
const DAY = 0x07;
const MONTH = 0x08;
const YEAR = 0x09;
const REG_A = 0x0a;
const REG_B = 0x0b;
const REG_C = 0x0c;
const REG_D = 0x0d;
export const CMOS_CENTURY = 0x32;

const A_UIP = 0x80;
const A_DV = 0x70;
const B_SET = 0x80;
const B_PIE = 0x40;
const B_AIE = 0x20;
const B_UIE = 0x10;
const B_SQWE = 0x08;
const B_DM = 0x04;
const B_24H = 0x02;
const C_IRQF = 0x80;
const C_PF = 0x40;
const C_AF = 0x20;
const C_UF = 0x10;
const D_VRT = 0x80;
const HOUR_PM = 0x80;
/** Alarm bytes with both top bits set match anything. */
const ALARM_ANY = 0xc0;

const SECOND_NS = 1_000_000_000;
/** UIP is high for t_BUC (244 us) plus t_UC (1984 us) before each update ends. */
const UIP_NS = 244_000 + 1_984_000;
/** The first update ends half a second after the divider leaves reset. */
const DIVIDER_START_NS = 500_000_000;
const DAY_SECONDS = 86_400;
const RAM_BYTES = 128;

export interface RtcOptions {
  readonly irq: IrqLine;
  readonly clock: Clock;
  /** Seconds since 1970-01-01T00:00:00Z at the VM's time 0; 1970 to 9999. Default `DEFAULT_EPOCH_SECONDS`. */
  readonly epochSeconds?: number;
  /** Bytes of RAM from address 0 up to the hole below 4 GB, told in the CMOS size bytes. */
  readonly lowMemory?: number;
  /** Bytes of RAM from 4 GB up. */
  readonly highMemory?: number;
  /** Told whenever bit 7 of port 70h changes: true when NMI is masked. */
  readonly nmiMask?: (masked: boolean) => void;
}

export class Rtc implements PortDevice, Saveable {
  private readonly irq: IrqLine;
  private readonly clock: Clock;
  private readonly nmiMask: ((masked: boolean) => void) | undefined;
  private readonly event: Deadline;
  private readonly ram = new Uint8Array(RAM_BYTES);
  private index = 0;
  private nmiMasked = false;
  /** A time at which an update ended or will end; the divider chain counts from here. May be negative. */
  private phase = 0;
  /** Seconds since 1970 at `phase`, while time runs. */
  private base = 0;
  /** Day of the week (0 to 6) minus what the calendar says, modulo 7: the guest may call any day Sunday. */
  private weekdayShift = 0;
  /** Flags of register C are right up to this time. */
  private checked = 0;

  constructor(options: RtcOptions) {
    this.irq = options.irq;
    this.clock = options.clock;
    this.nmiMask = options.nmiMask;
    this.event = options.clock.deadline('rtc', (now) => this.settle(now));
    const epoch = options.epochSeconds ?? DEFAULT_EPOCH_SECONDS;
    if (!Number.isInteger(epoch) || epoch < 0 || epoch >= 253_402_300_800)
      throw new RangeError('epochSeconds must be an integer of 1970 to 9999');
    this.base = epoch;
    this.checked = this.clock.now();
    this.ram[REG_A] = 0x26; // 32.768 kHz, 1024 Hz periodic rate: what PC firmware leaves
    this.ram[REG_B] = B_24H;
    this.ram[REG_D] = D_VRT;
    this.storeConfiguration(options.lowMemory ?? 0, options.highMemory ?? 0);
  }

  attach(ports: PortBus): void {
    ports.addPorts(RTC_PORT, 2, this, 'rtc');
  }

  portRead(port: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readByte(port + i) << (8 * i);
    return value >>> 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.writeByte(port + i, (value >>> (8 * i)) & 0xff);
  }

  /** The RESET pin: interrupt enables, flags and SQWE clear; time, calendar and RAM stay (MC146818, "RESET"). */
  reset(): void {
    this.index = 0;
    this.maskNmi(false);
    this.catchUp(this.clock.now());
    this.ram[REG_B] = this.reg(REG_B) & ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    this.ram[REG_C] = 0;
    this.drive();
  }

  /** A CMOS byte as the guest would read it, without the side effects of a read. */
  peek(index: number): number {
    const now = this.clock.now();
    if (this.isTime(index)) this.encode(now);
    if (index === REG_A) return this.readA(now);
    return this.reg(index & 0x7f);
  }

  /** Stores a byte of CMOS RAM (0Eh and up) on behalf of the board; the century byte belongs to the clock. */
  poke(index: number, value: number): void {
    if (index <= REG_D || index >= RAM_BYTES || index === CMOS_CENTURY) throw new RangeError(`CMOS byte ${index} is not RAM`);
    this.ram[index] = value;
    if (index >= 0x10 && index <= 0x2d) this.storeChecksum();
  }

  save(): DeviceState {
    const { index, nmiMasked, phase, base, weekdayShift, checked } = this;
    return { ram: Array.from(this.ram), index, nmiMasked, phase, base, weekdayShift, checked };
  }

  restore(state: DeviceState): void {
    const ram = savedInts(state, 'ram', RAM_BYTES, 0, 0xff);
    const index = savedInt(state, 'index', 0, RAM_BYTES - 1);
    const nmiMasked = savedFlag(state, 'nmiMasked');
    const phase = savedInt(state, 'phase', -SECOND_NS, Number.MAX_SAFE_INTEGER);
    const base = savedInt(state, 'base', -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    const weekdayShift = savedInt(state, 'weekdayShift', 0, 6);
    const checked = savedInt(state, 'checked', 0, Number.MAX_SAFE_INTEGER);
    this.ram.set(ram);
    Object.assign(this, { index, phase, base, weekdayShift, checked });
    this.maskNmi(nmiMasked);
    this.drive();
  }

  private readByte(port: number): number {
    // Port 70h is write-only on the ICH: the bus floats.
    if (port !== RTC_PORT + 1) return 0xff;
    const now = this.clock.now();
    switch (this.index) {
      case REG_A:
        return this.readA(now);
      case REG_C:
        return this.readC(now);
      default:
        if (this.isTime(this.index)) this.encode(now);
        return this.reg(this.index);
    }
  }

  private writeByte(port: number, value: number): void {
    if (port === RTC_PORT) {
      this.index = value & 0x7f;
      this.maskNmi((value & 0x80) !== 0);
    } else if (port === RTC_PORT + 1) {
      this.writeRegister(this.index, value);
    }
  }

  private writeRegister(index: number, value: number): void {
    if (index === REG_C || index === REG_D) return;
    const isAlarm = index === SECONDS_ALARM || index === MINUTES_ALARM || index === HOURS_ALARM;
    const isClock = index <= REG_B || index === CMOS_CENTURY;
    if (!isClock) {
      this.ram[index] = value;
      return;
    }
    const now = this.clock.now();
    this.catchUp(now);
    if (index === REG_A) this.writeA(now, value);
    else if (index === REG_B) this.writeB(now, value);
    else if (isAlarm) this.ram[index] = value;
    else this.writeTime(now, index, value);
    this.drive();
  }

  private writeTime(now: number, index: number, value: number): void {
    this.encode(now);
    this.ram[index] = index === SECONDS ? value & 0x7f : value; // bit 7 of the seconds cannot be written
    if (this.updating()) this.decode(now);
  }

  private writeA(now: number, value: number): void {
    const was = this.running();
    this.encode(now);
    this.ram[REG_A] = value & ~A_UIP;
    if (was || !this.running()) return;
    this.phase = now - DIVIDER_START_NS;
    if (this.updating()) this.decode(now);
  }

  private writeB(now: number, value: number): void {
    const was = this.updating();
    this.encode(now);
    // SET clears UIE (MC146818, register B).
    this.ram[REG_B] = value & B_SET ? value & ~B_UIE : value;
    if (!was && this.updating()) this.decode(now);
  }

  private readA(now: number): number {
    const inWindow = this.updating() && modulo(now - this.phase, SECOND_NS) >= SECOND_NS - UIP_NS;
    return this.reg(REG_A) | (inWindow ? A_UIP : 0);
  }

  private readC(now: number): number {
    this.catchUp(now);
    const flags = this.reg(REG_C);
    const value = flags | (flags & this.reg(REG_B) & (C_PF | C_AF | C_UF) ? C_IRQF : 0);
    this.ram[REG_C] = 0;
    this.drive();
    return value;
  }

  private reg(index: number): number {
    return this.ram[index];
  }

  /** The divider chain counts; 11x holds it in reset, and other codes above 010 stop it as the ICH does. */
  private running(): boolean {
    return (this.reg(REG_A) & A_DV) <= 0x20;
  }

  private updating(): boolean {
    return this.running() && (this.reg(REG_B) & B_SET) === 0;
  }

  private isTime(index: number): boolean {
    return (index <= YEAR && index !== SECONDS_ALARM && index !== MINUTES_ALARM && index !== HOURS_ALARM) || index === CMOS_CENTURY;
  }

  /** Seconds since 1970 after the last update that ended at or before `now`. */
  private secondsAt(now: number): number {
    return this.base + Math.floor((now - this.phase) / SECOND_NS);
  }

  /** Periodic rate in Hz (MC146818, table 5), or 0. */
  private rate(): number {
    const rs = this.reg(REG_A) & 0x0f;
    if (rs === 0) return 0;
    return 32_768 >> (rs <= 2 ? rs + 6 : rs - 1);
  }

  /** Periodic ticks since `phase`, exact: whole seconds and the rest apart, so that no product leaves 2^53. */
  private ticksAt(now: number, rate: number): number {
    const elapsed = now - this.phase;
    const whole = Math.floor(elapsed / SECOND_NS);
    return whole * rate + Math.floor(((elapsed - whole * SECOND_NS) * rate) / SECOND_NS);
  }

  private tickTime(tick: number, rate: number): number {
    const whole = Math.floor(tick / rate);
    return this.phase + whole * SECOND_NS + Math.ceil(((tick - whole * rate) * SECOND_NS) / rate);
  }

  /** Sets the flags of every event in (checked, now]. Flags are set whether or not their interrupt is enabled. */
  private catchUp(now: number): void {
    const since = this.checked;
    this.checked = now;
    if (!this.running() || now <= since) return;
    const rate = this.rate();
    let flags = 0;
    if (rate !== 0 && this.ticksAt(now, rate) > this.ticksAt(since, rate)) flags |= C_PF;
    if (this.updating()) {
      const from = this.secondsAt(since);
      const to = this.secondsAt(now);
      if (to > from) flags |= C_UF;
      if (to > from && this.nextAlarm(from) <= to) flags |= C_AF;
    }
    this.ram[REG_C] = this.reg(REG_C) | flags;
  }

  /** The first second after `second` at which the alarm bytes match, or Infinity when no time of day matches. */
  private nextAlarm(second: number): number {
    const wantSecond = this.alarmField(this.reg(SECONDS_ALARM), 59);
    const wantMinute = this.alarmField(this.reg(MINUTES_ALARM), 59);
    const wantHour = this.reg(HOURS_ALARM) >= ALARM_ANY ? -1 : this.decodeHour(this.reg(HOURS_ALARM));
    if (wantSecond > 59 || wantMinute > 59 || wantHour > 23) return Infinity;
    const midnight = second - modulo(second, DAY_SECONDS);
    let time = second + 1 - midnight;
    // At most a day of hours, an hour of minutes and a minute of seconds are stepped over.
    for (;;) {
      const hour = Math.floor(time / 3600);
      const minute = Math.floor(time / 60) % 60;
      if (wantHour >= 0 && hour % 24 !== wantHour) time = (hour + 1) * 3600;
      else if (wantMinute >= 0 && minute !== wantMinute) time = (Math.floor(time / 60) + 1) * 60;
      else if (wantSecond >= 0 && time % 60 !== wantSecond) time++;
      else return midnight + time;
    }
  }

  /** Value of an alarm byte, -1 for "any". A byte that no clock shows comes out above `max`. */
  private alarmField(byte: number, max: number): number {
    if (byte >= ALARM_ANY) return -1;
    const value = this.fromByte(byte);
    return (this.reg(REG_B) & B_DM) === 0 && !isBcd(byte) ? max + 1 : value;
  }

  private settle(now: number): void {
    this.catchUp(now);
    this.drive();
  }

  /** Puts the line where the flags say and asks for the next event, after those the flags know of, that could raise it. */
  private drive(): void {
    const now = this.checked;
    const enabled = this.reg(REG_B) & (B_PIE | B_AIE | B_UIE);
    const flags = this.reg(REG_C);
    this.irq.set((flags & enabled) !== 0);
    const awaited = this.running() ? enabled & ~flags : 0;
    let next = Infinity;
    const rate = this.rate();
    if (awaited & B_PIE && rate !== 0) next = this.tickTime(this.ticksAt(now, rate) + 1, rate);
    if (this.updating()) {
      const second = this.secondsAt(now);
      if (awaited & B_UIE) next = Math.min(next, this.secondTime(second + 1));
      if (awaited & B_AIE) next = Math.min(next, this.secondTime(this.nextAlarm(second)));
    }
    if (next === Infinity) this.event.cancel();
    else this.event.arm(next);
  }

  private secondTime(second: number): number {
    return this.phase + (second - this.base) * SECOND_NS;
  }

  /** Writes the time bytes of `now`, unless SET or the divider holds them. */
  private encode(now: number): void {
    if (!this.updating()) return;
    const total = this.secondsAt(now);
    const days = Math.floor(total / DAY_SECONDS);
    const time = total - days * DAY_SECONDS;
    const { year, month, day } = civilFromDays(days);
    const hour = Math.floor(time / 3600);
    this.ram[SECONDS] = this.toByte(time % 60);
    this.ram[MINUTES] = this.toByte(Math.floor(time / 60) % 60);
    this.ram[HOURS] =
      this.reg(REG_B) & B_24H ? this.toByte(hour) : this.toByte(hour % 12 === 0 ? 12 : hour % 12) | (hour >= 12 ? HOUR_PM : 0);
    this.ram[WEEKDAY] = this.toByte(modulo(days + 4 + this.weekdayShift, 7) + 1); // 1970-01-01 was a Thursday; Sunday is 1
    this.ram[DAY] = this.toByte(day);
    this.ram[MONTH] = this.toByte(month);
    this.ram[YEAR] = this.toByte(modulo(year, 100));
    this.ram[CMOS_CENTURY] = this.toByte(modulo(Math.floor(year / 100), 100));
  }

  /** Takes the time bytes as the time of `now`; values beyond a field's range carry into the next. */
  private decode(now: number): void {
    const year = this.fromByte(this.reg(CMOS_CENTURY)) * 100 + this.fromByte(this.reg(YEAR));
    const days = daysFromCivil(year, this.fromByte(this.reg(MONTH)), this.fromByte(this.reg(DAY)));
    const hour = this.decodeHour(this.reg(HOURS));
    const seconds = hour * 3600 + this.fromByte(this.reg(MINUTES)) * 60 + this.fromByte(this.reg(SECONDS));
    const total = days * DAY_SECONDS + seconds;
    this.base = total - Math.floor((now - this.phase) / SECOND_NS);
    this.weekdayShift = modulo(this.fromByte(this.reg(WEEKDAY)) - 1 - (Math.floor(total / DAY_SECONDS) + 4), 7);
  }

  private decodeHour(byte: number): number {
    if (this.reg(REG_B) & B_24H) return this.fromByte(byte);
    return (this.fromByte(byte & ~HOUR_PM) % 12) + (byte & HOUR_PM ? 12 : 0);
  }

  private toByte(value: number): number {
    return this.reg(REG_B) & B_DM ? value : (Math.floor(value / 10) << 4) | (value % 10);
  }

  private fromByte(byte: number): number {
    return this.reg(REG_B) & B_DM ? byte : (byte >> 4) * 10 + (byte & 0x0f);
  }

  private maskNmi(masked: boolean): void {
    if (masked === this.nmiMasked) return;
    this.nmiMasked = masked;
    this.nmiMask?.(masked);
  }

  /** Sizes and equipment as PC firmware leaves them (IBM PC/AT technical reference; 34h and 5Bh on are later custom). */
  private storeConfiguration(lowMemory: number, highMemory: number): void {
    const kib = (bytes: number) => Math.max(0, Math.floor(bytes / 1024));
    this.storeWord(0x15, Math.min(640, kib(lowMemory)));
    const extended = Math.min(0xffff, kib(lowMemory - 0x10_0000));
    this.storeWord(0x17, extended);
    this.storeWord(0x30, extended);
    this.storeWord(0x34, Math.min(0xffff, Math.floor(kib(lowMemory - 0x100_0000) / 64)));
    const high = Math.floor(kib(highMemory) / 64);
    this.storeWord(0x5b, high & 0xffff);
    this.ram[0x5d] = Math.floor(high / 0x1_0000) & 0xff;
    this.ram[0x14] = 0x02; // equipment: a coprocessor, no floppy drive
    this.storeChecksum();
    this.encode(this.clock.now());
  }

  private storeWord(index: number, value: number): void {
    this.ram[index] = value & 0xff;
    this.ram[index + 1] = value >> 8;
  }

  /** Sum of 10h to 2Dh at 2Eh (high byte) and 2Fh. */
  private storeChecksum(): void {
    let sum = 0;
    for (let i = 0x10; i <= 0x2d; i++) sum += this.reg(i);
    this.ram[0x2e] = (sum >> 8) & 0xff;
    this.ram[0x2f] = sum & 0xff;
  }
}

function modulo(value: number, by: number): number {
  return value - Math.floor(value / by) * by;
}

function isBcd(byte: number): boolean {
  return (byte & 0x0f) <= 9 && byte >> 4 <= 9;
}

/** Days since 1970-01-01 of a Gregorian date; a month outside 1 to 12 or a day outside its month carries. */
function daysFromCivil(year: number, month: number, day: number): number {
  // Counted from 1 March 0000, so that the leap day is the last of its year.
  const months = year * 12 + month - 3;
  const y = Math.floor(months / 12);
  const dayOfYear = Math.floor((153 * modulo(months, 12) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}

function civilFromDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1 };
}
