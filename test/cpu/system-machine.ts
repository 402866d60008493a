/**
 * What the tests of the system instructions share: the core with its system functions exported, and a machine whose descriptor tables, task
 * states and page tables are laid out by hand.
 *
 * Memory: GDT at 1000h, LDT at 2000h, IDT at 3000h, TSS at 4000h, TSS2 at 5000h, page tables from 10000h, stacks below 8000h and 9000h,
 * 16 MiB of RAM in all. Every page counts as touched, so that only the exits under test are counted.
 *
 * @module
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { ascFlags } from '../../scripts/asc-flags.ts';
import { type CpuidEntry, StateView } from '../../vmm/cpu/registers.ts';
import { defaultCpuid, modelFeatures } from '../../vmm/cpu/cpuid.ts';
import { MEMORY_MAP, VM_AREA } from '../../vmm/cpu/layout.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const RAM = MEMORY_MAP.RAM_BASE;
const RAM_BYTES = 16 << 20;
export const CPU = MEMORY_MAP.VCPU_BASE;

/** The functions under test; 64-bit arguments are bigints. */
export interface SystemCore {
  reset(cpu: number): void;
  modeChanged(cpu: number): void;
  readFlags(cpu: number): number;
  writeFlags(cpu: number, flags: number): void;
  loadSegment(cpu: number, seg: number, selector: number): void;
  lldt(cpu: number, selector: number): void;
  ltr(cpu: number, selector: number): void;
  lar(cpu: number, selector: number): bigint;
  lsl(cpu: number, selector: number): bigint;
  verr(cpu: number, selector: number): number;
  verw(cpu: number, selector: number): number;
  arpl(cpu: number, destination: number, source: number): number;
  farJump(cpu: number, selector: number, offset: bigint, osz: number): void;
  farCall(cpu: number, selector: number, offset: bigint, osz: number): void;
  farReturn(cpu: number, osz: number, popBytes: number): void;
  iret(cpu: number, osz: number): void;
  syscall(cpu: number): void;
  sysret(cpu: number, osz: number): void;
  sysenter(cpu: number): void;
  sysexit(cpu: number, osz: number): void;
  softInt(cpu: number, vector: number, kind: number): void;
  deliverPending(cpu: number): void;
  deliverInterrupt(cpu: number, vector: number): void;
  deliverNmi(cpu: number): void;
  movFromCr(cpu: number, cr: number, reg: number): bigint;
  movToCr(cpu: number, cr: number, value: bigint, reg: number): void;
  movFromDr(cpu: number, dr: number, reg: number): bigint;
  movToDr(cpu: number, dr: number, value: bigint, reg: number): void;
  lmsw(cpu: number, word: number, fromMemory: number): void;
  clts(cpu: number): void;
  smsw(cpu: number): bigint;
  lgdt(cpu: number, lin: bigint, osz: number): void;
  lidt(cpu: number, lin: bigint, osz: number): void;
  sgdt(cpu: number, lin: bigint, osz: number): void;
  sidt(cpu: number, lin: bigint, osz: number): void;
  swapgs(cpu: number): void;
  setAc(cpu: number, set: boolean): void;
  rdpkru(cpu: number): void;
  wrpkru(cpu: number): void;
  invpcid(cpu: number, type: bigint, lin: bigint, kind: number): void;
  setPkru(cpu: number, value: bigint): void;
  xsetbv(cpu: number): void;
  xgetbv(cpu: number): void;
  wbinvd(cpu: number): void;
  rdpmc(cpu: number): void;
  rdmsr(cpu: number): void;
  wrmsr(cpu: number): void;
  cpuid(cpu: number): void;
}

const SOURCES = ['index', 'mmu', 'segment', 'transfer', 'interrupt', 'task', 'control', 'msr', 'cpuid'];

function build(): WebAssembly.Module {
  mkdirSync(`${root}build`, { recursive: true });
  const output = `${root}build/test-system.wasm`;
  const sources = SOURCES.map((name) => `vmm/cpu/core/${name}.ts`);
  const flags = ascFlags('core').map((flag) => (flag === '-O3' ? '-O1' : flag));
  execFileSync(process.execPath, [`${root}node_modules/assemblyscript/bin/asc.js`, ...sources, '-o', output, ...flags], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return new WebAssembly.Module(readFileSync(output));
}

const memory = new WebAssembly.Memory({ initial: (RAM + RAM_BYTES) >> 16, maximum: 65536, shared: true });
const view = new DataView(memory.buffer);
const bytes = new Uint8Array(memory.buffer);

/** MSRs that the "monitor" of these tests has: index -> value; 2^32 for "leave run()". */
export const monitorMsrs = new Map<number, bigint | 'leave'>();
/** Task priorities handed to the monitor. */
export const priorities: number[] = [];

function msr(cpu: number, index: number, write: number): number {
  const held = monitorMsrs.get(index >>> 0);
  if (held === undefined) return 0;
  if (held === 'leave') return 2;
  const state = new StateView(memory.buffer, cpu);
  if (write !== 0) monitorMsrs.set(index >>> 0, state.get('IO_DATA'));
  else state.set('IO_DATA', held);
  return 1;
}

const instance = new WebAssembly.Instance(build(), {
  env: {
    memory,
    pio: () => 0,
    mmio: () => 2,
    msr,
    intack: () => -1,
    tprWritten: (_cpu: number, tpr: number) => priorities.push(tpr),
    ferr: () => undefined,
    exitLog: () => undefined,
    watch: () => undefined,
    probe: () => undefined,
    abort: () => assert.unreachable('the core aborted'),
  },
}).exports as unknown as SystemCore & { __setArgumentsLength(n: number): void };

/** The functions; asc wants to be told how many arguments a call from outside has when some are optional. */
function told(f: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
  return (...args) => {
    instance.__setArgumentsLength(args.length);
    return f(...args);
  };
}

export const core = Object.fromEntries(
  Object.entries(instance).map(([name, value]) => [
    name,
    typeof value === 'function' ? told(value as (...args: unknown[]) => unknown) : value,
  ]),
) as unknown as SystemCore;

export const state = new StateView(memory.buffer, CPU);

export const GDT = 0x1000;
export const LDT = 0x2000;
export const IDT = 0x3000;
export const TSS = 0x4000;
export const TSS2 = 0x5000;
export const STACK0 = 0x8000;
export const STACK3 = 0x9000;
/** Code runs "here". */
export const HERE = 0x6000n;

/** Access bytes (SDM vol. 3 section 3.4.5.1). */
export const CODE = 0x9a;
export const CONFORMING = 0x9e;
export const DATA = 0x92;
export const READ_ONLY = 0x90;
export const EXPAND_DOWN = 0x96;
/** Flags nibble: G and D/B, or G and L. */
export const FLAT32 = 0xc;
export const FLAT16 = 0x8;
export const LONG = 0xa;

export function dpl(n: number): number {
  return n << 5;
}

/** A segment descriptor. `limit` is the 20-bit field. */
export function segment(access: number, flags: number, base = 0, limit = 0xfffff): bigint {
  return (
    BigInt(limit & 0xffff) |
    (BigInt(base & 0xffffff) << 16n) |
    (BigInt(access) << 40n) |
    (BigInt(limit >> 16) << 48n) |
    (BigInt(flags) << 52n) |
    (BigInt(base >>> 24) << 56n)
  );
}

/** A gate. `count` is the parameter count or the IST index. */
export function gate(type: number, selector: number, offset: number, level = 0, count = 0): bigint {
  return (
    BigInt(offset & 0xffff) |
    (BigInt(selector) << 16n) |
    (BigInt(count) << 32n) |
    (BigInt(0x80 | (level << 5) | type) << 40n) |
    (BigInt(offset >>> 16) << 48n)
  );
}

export function write8(gpa: number, value: number): void {
  view.setUint8(RAM + gpa, value);
}

export function write16(gpa: number, value: number): void {
  view.setUint16(RAM + gpa, value, true);
}

export function write32(gpa: number, value: number): void {
  view.setUint32(RAM + gpa, value >>> 0, true);
}

export function write64(gpa: number, value: bigint): void {
  view.setBigUint64(RAM + gpa, BigInt.asUintN(64, value), true);
}

export function read8(gpa: number): number {
  return view.getUint8(RAM + gpa);
}

export function read16(gpa: number): number {
  return view.getUint16(RAM + gpa, true);
}

export function read32(gpa: number): number {
  return view.getUint32(RAM + gpa, true);
}

export function read64(gpa: number): bigint {
  return view.getBigUint64(RAM + gpa, true);
}

/** Lays values of `size` bytes out from `gpa` up, `stride` bytes apart. */
export function lay(gpa: number, size: 2 | 4 | 8, stride: number, values: readonly (number | bigint)[]): void {
  for (const [i, value] of values.entries()) {
    const at = gpa + stride * i;
    if (size === 8) write64(at, BigInt(value));
    else if (size === 4) write32(at, Number(value));
    else write16(at, Number(value));
  }
}

/** `count` words of `size` bytes from `gpa` up. */
export function words(gpa: number, size: 2 | 4 | 8, count: number): number[] {
  return Array.from({ length: count }, (_, i) =>
    Number(size === 2 ? read16(gpa + 2 * i) : size === 4 ? read32(gpa + 4 * i) : read64(gpa + 8 * i)),
  );
}

const VM = MEMORY_MAP.VM_BASE;

export function setCpuid(entries: readonly CpuidEntry[]): void {
  view.setUint32(VM + VM_AREA.CPUID_COUNT, entries.length, true);
  entries.forEach((e, i) => {
    const row = [e.leaf, e.subleaf ?? 0xffffffff, e.eax, e.ebx, e.ecx, e.edx];
    for (const [k, value] of row.entries()) view.setUint32(VM + VM_AREA.CPUID + 24 * i + 4 * k, value >>> 0, true);
  });
}

export function setIntercept(bits: number): void {
  view.setUint32(VM + VM_AREA.INTERCEPT, bits, true);
}

export function setExceptionBitmap(bits: number): void {
  view.setUint32(VM + VM_AREA.EXC_BITMAP, bits, true);
}

/** A fresh vCPU in real-address mode at 0:HERE with its stack below STACK0. */
export function real(): void {
  bytes.fill(0, VM, VM + 0x4000);
  view.setUint32(VM + VM_AREA.SLOT_COUNT, 1, true);
  view.setUint32(VM + VM_AREA.SLOTS + 8, RAM_BYTES >> 12, true);
  view.setUint32(VM + VM_AREA.SLOTS + 12, RAM, true);
  bytes.fill(1, MEMORY_MAP.PAGE_FLAGS, MEMORY_MAP.PAGE_FLAGS + (RAM_BYTES >> 12));
  bytes.fill(0, RAM, RAM + 0x40000);
  setCpuid(defaultCpuid(0, 1, modelFeatures('v3')));
  monitorMsrs.clear();
  priorities.length = 0;
  core.reset(CPU);
  state.set('SEG_BASE', 0n, 1);
  state.setNumber('SEG_SEL', 0, 1);
  state.set('REGS', BigInt(STACK0), 4);
  at(HERE);
  core.modeChanged(CPU);
}

/** The next instruction "is" two bytes at `rip`. */
export function at(rip: bigint): void {
  state.set('RIP', rip);
  state.set('NEXT_RIP', rip + 2n);
}

/**
 * Selectors of every machine's GDT: 32-bit code and data of levels 0 and 3, 64-bit code of both levels, a conforming code segment, the TSS, a second
 * TSS, the LDT, 16-bit code and data. Tests put more from FREE up.
 */
export const CODE0 = 0x08;
export const DATA0 = 0x10;
export const CODE3 = 0x18;
export const DATA3 = 0x20;
export const LONG0 = 0x28;
export const LONG3 = 0x30;
export const CONF0 = 0x38;
export const TSS_SEL = 0x40;
export const TSS2_SEL = 0x50;
export const LDT_SEL = 0x60;
export const CODE16 = 0x70;
export const DATA16 = 0x78;
export const FREE = 0x80;

function tables(): void {
  write64(GDT + CODE0, segment(CODE, FLAT32));
  write64(GDT + DATA0, segment(DATA, FLAT32));
  write64(GDT + CODE3, segment(CODE | dpl(3), FLAT32));
  write64(GDT + DATA3, segment(DATA | dpl(3), FLAT32));
  write64(GDT + LONG0, segment(CODE, LONG));
  write64(GDT + LONG3, segment(CODE | dpl(3), LONG));
  write64(GDT + CONF0, segment(CONFORMING, FLAT32));
  write64(GDT + TSS_SEL, segment(0x89, 0, TSS, 0x67));
  write64(GDT + TSS2_SEL, segment(0x89, 0, TSS2, 0x67));
  write64(GDT + LDT_SEL, segment(0x82, 0, LDT, 0xff));
  write64(GDT + CODE16, segment(CODE, 0, 0, 0xffff));
  write64(GDT + DATA16, segment(DATA, 0, 0, 0xffff));
  state.set('GDTR_BASE', BigInt(GDT));
  state.setNumber('GDTR_LIMIT', 0xfff);
  state.set('IDTR_BASE', BigInt(IDT));
  state.setNumber('IDTR_LIMIT', 0xfff);
}

/** Puts a segment register into the state as if loaded from its descriptor. */
export function put(seg: number, selector: number): void {
  const d = read64((selector & 4 ? LDT : GDT) + (selector & 0xfff8));
  const raw = Number(d & 0xffffn) | (Number((d >> 48n) & 15n) << 16);
  const ar = Number((d >> 40n) & 0xf0ffn) | 1;
  state.set('SEG_BASE', ((d >> 16n) & 0xffffffn) | ((d >> 56n) << 24n), seg);
  state.setNumber('SEG_LIMIT', ar & 0x8000 ? ((raw << 12) | 0xfff) >>> 0 : raw, seg);
  state.setNumber('SEG_AR', ar, seg);
  state.setNumber('SEG_SEL', selector, seg);
}

/** 32-bit protected mode at `level`, flat; the TSS is loaded with SS0:ESP0 = DATA0:STACK0. */
export function protectedMode(level: 0 | 3 = 0): void {
  real();
  tables();
  state.set('CR0', 0x11n);
  put(1, level === 0 ? CODE0 : CODE3 | 3);
  const data = level === 0 ? DATA0 : DATA3 | 3;
  for (const seg of [0, 2, 3, 4, 5]) put(seg, data);
  write64(GDT + TSS_SEL, segment(0x8b, 0, TSS, 0x67));
  put(7, TSS_SEL);
  write32(TSS + 4, STACK0);
  write16(TSS + 8, DATA0);
  state.set('REGS', BigInt(level === 0 ? STACK0 : STACK3), 4);
  core.modeChanged(CPU);
}

/** 64-bit mode at `level`: the first 16 MiB are mapped for everyone. */
export function longMode(level: 0 | 3 = 0): void {
  protectedMode(level);
  write64(0x10000, 0x11007n);
  write64(0x11000, 0x12007n);
  for (let i = 0; i < 8; i++) write64(0x12000 + 8 * i, BigInt(i << 21) | 0x87n);
  // A supervisor's alias of low memory at the top of the address space.
  write64(0x10000 + 8 * 511, 0x13003n);
  write64(0x13000 + 8 * 511, 0x12003n);
  state.set('CR3', 0x10000n);
  state.set('CR4', 0x20n);
  state.set('EFER', 0xd01n);
  state.set('CR0', 0x80000011n);
  put(1, level === 0 ? LONG0 : LONG3 | 3);
  write64(TSS + 4, BigInt(STACK0));
  core.modeChanged(CPU);
}

/** Virtual-8086 mode with CS = 600h, other segments of their own, IOPL `iopl`. */
export function vm86(iopl = 3): void {
  protectedMode(3);
  const selectors = [0x700, 0x600, 0x800, 0x701, 0x702, 0x703];
  for (const [seg, selector] of selectors.entries()) {
    state.set('SEG_BASE', BigInt(selector << 4), seg);
    state.setNumber('SEG_LIMIT', 0xffff, seg);
    state.setNumber('SEG_AR', 0xf3, seg);
    state.setNumber('SEG_SEL', selector, seg);
  }
  state.set('REGS', 0x1000n, 4);
  at(0x10n);
  core.writeFlags(CPU, 0x20202 | (iopl << 12));
  core.modeChanged(CPU);
}

/** The exception pending in EXC as [vector, error code], or undefined. */
export function raised(): readonly [number, number | undefined] | undefined {
  const exc = state.number('EXC');
  if (exc === 0) return undefined;
  if ((exc & 0x100) === 0) return [exc, undefined];
  return [exc & 0xff, exc & 0x200 ? state.number('EXC_ERROR') : undefined];
}

/** Asserts that `action` raises this exception and changes no register. */
export function refused(vector: number, error: number | undefined, action: () => void, what = ''): void {
  const before = snapshot();
  action();
  assert.equal(raised(), [vector, error], what);
  assert.equal(snapshot(), before, `${what}: state`);
  state.setNumber('EXC', 0);
}

/** Asserts that `action` completes. */
export function passes(action: () => void): void {
  action();
  assert.is(raised(), undefined);
}

function snapshot(): unknown {
  return {
    regs: Array.from({ length: 16 }, (_, i) => state.get('REGS', i)),
    rip: state.get('RIP'),
    flags: core.readFlags(CPU),
    segments: Array.from({ length: 8 }, (_, i) => ['SEG_BASE', 'SEG_LIMIT', 'SEG_AR', 'SEG_SEL'].map((f) => state.get(f, i))),
    control: ['CR0', 'CR3', 'CR4', 'EFER', 'GDTR_BASE', 'IDTR_BASE', 'CPL', 'MODE'].map((f) => state.get(f)),
    debug: Array.from({ length: 8 }, (_, i) => state.get('DR', i)),
  };
}

export const rsp = (): number => state.number('REGS', 4);
export const selector = (seg: number): number => state.number('SEG_SEL', seg);
export const rights = (seg: number): number => state.number('SEG_AR', seg);
export const exits = (reason: number): number => state.number('EXIT_COUNT', reason);

export function setFlags(flags: number): void {
  core.writeFlags(CPU, flags);
  core.modeChanged(CPU);
}
