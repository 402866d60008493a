/**
 * The local APIC's registers: numbers, fields, and which of them exist in which mode.
 *
 * Intel SDM vol. 3, chapter 11: tables 11-1 (xAPIC page) and 11-6 (x2APIC MSRs); section numbers below are its.
 *
 * @module
 */
import { MSG_ASSERT, MSG_LEVEL, MSG_LOGICAL, MSG_MODE, MSG_SHORTHAND, MSG_VECTOR } from './apic-bus.ts';

export const MSR_APIC_BASE = 0x1b;
export const MSR_TSC_DEADLINE = 0x6e0;
export const MSR_X2APIC_FIRST = 0x800;
export const MSR_X2APIC_LAST = 0x8ff;

/** IA32_APIC_BASE (11.4.4, 11.12.1). */
export const BASE_BSP = 0x100;
export const BASE_EXTD = 0x400;
export const BASE_EN = 0x800;
export const BASE_RESERVED = 0x2ff;

/** Registers by number: offset / 16 in the page, MSR - 800h. */
export const ID = 0x02;
export const VERSION = 0x03;
export const TPR = 0x08;
export const APR = 0x09;
export const PPR = 0x0a;
export const EOI = 0x0b;
export const RRD = 0x0c;
export const LDR = 0x0d;
export const DFR = 0x0e;
export const SVR = 0x0f;
export const ISR = 0x10;
export const TMR = 0x18;
export const IRR = 0x20;
export const ESR = 0x28;
export const LVT_CMCI = 0x2f;
export const ICR = 0x30;
export const ICR_HIGH = 0x31;
export const LVT_TIMER = 0x32;
export const LVT_THERMAL = 0x33;
export const LVT_PERFORMANCE = 0x34;
export const LVT_LINT0 = 0x35;
export const LVT_LINT1 = 0x36;
export const LVT_ERROR = 0x37;
export const INITIAL_COUNT = 0x38;
export const CURRENT_COUNT = 0x39;
export const DIVIDE = 0x3e;
export const SELF_IPI = 0x3f;

/** Version 15h, seven LVT entries, EOI broadcasts can be suppressed (11.4.8). */
export const VERSION_VALUE = 0x15 | (6 << 16) | (1 << 24);

export const SVR_ENABLE = 0x100;
export const SVR_SUPPRESS_EOI = 0x1000;

/** Fields of an LVT entry (11.5.1). */
export const LVT_VECTOR = 0xff;
export const LVT_MODE = 0x700;
export const LVT_STATUS = 0x1000;
export const LVT_REMOTE_IRR = 0x4000;
export const LVT_LEVEL = 0x8000;
export const LVT_MASK = 0x10000;

/** Errors (11.5.3). */
export const ERROR_SEND_VECTOR = 0x20;
export const ERROR_RECEIVE_VECTOR = 0x40;
export const ERROR_REGISTER = 0x80;

export const ICR_STATUS = 0x1000;

/** Ways in which a register can be used. */
export const XR = 1;
export const XW = 2;
export const X2R = 4;
export const X2W = 8;
const ALL = XR | XW | X2R | X2W;

export const ACCESS = new Uint8Array(64);
/** Bits that are not reserved. */
export const BITS = new Int32Array(64);

function register(number: number, access: number, bits: number, count = 1): void {
  ACCESS.fill(access, number, number + count);
  BITS.fill(bits, number, number + count);
}
// Tables 11-1 and 11-6.
register(ID, XR | X2R, -1);
register(VERSION, XR | X2R, -1);
register(TPR, ALL, 0xff);
register(APR, XR, 0xff);
register(PPR, XR | X2R, 0xff);
register(EOI, XW | X2W, 0);
register(RRD, XR, 0);
register(LDR, XR | XW | X2R, 0xff00_0000);
register(DFR, XR | XW, 0xf000_0000);
register(SVR, ALL, 0x13ff);
register(ISR, XR | X2R, -1, 8);
register(TMR, XR | X2R, -1, 8);
register(IRR, XR | X2R, -1, 8);
register(ESR, ALL, 0);
register(LVT_CMCI, ALL, 0x117ff);
register(ICR, ALL, MSG_VECTOR | MSG_MODE | MSG_LOGICAL | MSG_ASSERT | MSG_LEVEL | MSG_SHORTHAND);
register(ICR_HIGH, XR | XW, 0xff00_0000);
register(LVT_TIMER, ALL, 0x710ff);
register(LVT_THERMAL, ALL, 0x117ff);
register(LVT_PERFORMANCE, ALL, 0x117ff);
register(LVT_LINT0, ALL, 0x1f7ff);
register(LVT_LINT1, ALL, 0x1f7ff);
register(LVT_ERROR, ALL, 0x110ff);
register(INITIAL_COUNT, ALL, -1);
register(CURRENT_COUNT, XR | X2R, -1);
register(DIVIDE, ALL, 0xb);
register(SELF_IPI, X2W, 0xff);
