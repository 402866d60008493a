/**
 * Cases about segments and transfers: loads, LAR and its kin, far transfers, IRET, interrupts, task switches, SYSCALL and SYSENTER.
 *
 * @module
 */
import { type Draft, SREG } from './assemble.ts';
import { callGate, codeSelector, dataSelector, interruptGate, landing, place, withRpl } from './descriptors.ts';
import { descriptor } from './environments.ts';
import * as L from './layout.ts';

const SEL = L.SEL;
/** Segment registers that MOV loads. */
const LOADED = [SREG.es, SREG.ss, SREG.ds, SREG.fs, SREG.gs] as const;
/** Where far pointers of a case stand. */
const POINTER = L.DATA + 0x100;

/** A selector for real and virtual-8086 mode, whose segment should hold the arena, or RAM that nobody uses. */
const plainSelector = (d: Draft): number => (d.r.oneIn(3) ? 0x3000 + d.r.below(0x5000) : (L.ARENA >> 4) - d.r.below(0x100));

const anyData = (d: Draft): number => (d.protected ? dataSelector(d) : plainSelector(d));

function loadSegment(d: Draft): void {
  const { r } = d;
  const sreg = r.of(LOADED);
  const selector = anyData(d);
  if (sreg === SREG.ss && selector < 4) d.c.tags.add('null SS');
  switch (r.below(d.bits === 64 ? 3 : 4)) {
    case 0: {
      // LSS, LFS, LGS; LES and LDS outside of 64-bit mode.
      const opcode = ({ [SREG.ss]: 0xb2, [SREG.fs]: 0xb4, [SREG.gs]: 0xb5 } as Record<number, number>)[sreg];
      const offset = d.bits === 64 || d.bits === 32 ? r.u32() : r.below(0x10000);
      const wide = d.bits === 16 ? 2 : 4;
      d.word(POINTER, offset, wide);
      d.word(POINTER + wide, selector, 2);
      // DS may have become null.
      d.c.tags.add('access');
      if (opcode === undefined) d.emit(sreg === SREG.es ? 0xc4 : 0xc5);
      else d.emit(0x0f, opcode);
      d.absolute(1, POINTER);
      return;
    }
    case 1:
      // PUSH and POP.
      d.push(selector);
      if (sreg === SREG.fs) d.emit(0x0f, 0xa1);
      else if (sreg === SREG.gs) d.emit(0x0f, 0xa9);
      else d.emit(({ [SREG.es]: 0x07, [SREG.ss]: 0x17, [SREG.ds]: 0x1f } as Record<number, number>)[sreg] ?? 0x1f);
      return;
    default:
      d.load(0, selector).emit(0x8e).direct(sreg, 0);
  }
}

/** A read or write through a segment register. */
function throughSegment(d: Draft): void {
  const prefix = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65][d.r.below(6)] as number;
  const at = L.DATA + d.r.below(0x400);
  d.c.tags.add('access');
  d.emit(prefix, d.r.of([0x8b, 0x89, 0x01])).absolute(1, at);
}

function inspect(d: Draft): void {
  const { r } = d;
  const selector = r.oneIn(4) ? callGate(d) : r.oneIn(3) ? codeSelector(d) : dataSelector(d);
  d.load(0, selector);
  const target = r.of([1, 2, 3, 6]);
  const kind = r.below(5);
  if (kind < 4 && r.oneIn(3)) d.emit(0x66);
  switch (kind) {
    case 0:
      d.emit(0x0f, 0x02).direct(target, 0);
      break;
    case 1:
      d.emit(0x0f, 0x03).direct(target, 0);
      break;
    case 2:
      d.emit(0x0f, 0x00).direct(4, 0);
      break;
    case 3:
      d.emit(0x0f, 0x00).direct(5, 0);
      break;
    default:
      if (d.bits === 64) d.emit(0x48, 0x0f, 0x02).direct(target, 0);
      else d.load(1, r.u32()).emit(0x63).direct(1, 0);
  }
  d.keepFlags();
}

export function segments(d: Draft): void {
  for (let n = 1 + d.r.below(3); n > 0; n--) {
    if (d.protected && d.r.oneIn(2)) inspect(d);
    else loadSegment(d);
    if (d.r.oneIn(3)) throughSegment(d);
  }
}

function target(d: Draft): { selector: number; offset: number } {
  const { r } = d;
  if (!d.protected) return { selector: r.oneIn(8) ? plainSelector(d) : L.ARENA >> 4, offset: landing(d) & 0xffff };
  const far = r.oneIn(16);
  if (far) d.c.tags.add('limit');
  const offset = far ? r.u32() : landing(d);
  if (r.oneIn(4)) return { selector: callGate(d), offset };
  if (r.oneIn(12)) return { selector: dataSelector(d), offset };
  return { selector: codeSelector(d), offset };
}

export function far(d: Draft): void {
  const { r } = d;
  const { selector, offset } = target(d);
  const wide = d.bits === 16 ? 2 : 4;
  switch (r.below(3)) {
    case 0:
      // JMP, CALL ptr: not in 64-bit mode.
      if (d.bits === 64 && !r.oneIn(16)) {
        far(d);
        return;
      }
      d.emit(r.of([0xea, 0x9a]))
        .imm(offset & (wide === 2 ? 0xffff : -1), wide)
        .imm(selector, 2);
      break;
    case 1: {
      // In 64-bit mode without REX.W the offset has 32 bits, as in 32-bit mode.
      d.word(POINTER, offset, wide);
      d.word(POINTER + wide, selector, 2);
      d.emit(0xff).absolute(r.of([3, 5]), POINTER);
      break;
    }
    default: {
      // RETF; to an outer level it takes a stack, too.
      d.push(r.oneIn(3) ? dataSelectorIn(d) : stackSelector(d, selector & 3));
      d.push(r.oneIn(8) ? r.u32() & (d.bits === 16 ? 0xffff : 0x7fffffff) : L.STACK3 - 0x200 - d.base);
      const bytes = r.oneIn(3) ? 4 * r.below(3) : 0;
      // The stack is then taken from the middle of two words: SS is 0.
      if (d.bits === 64 && bytes === 4) d.c.tags.add('null SS');
      d.push(selector);
      d.push(offset & (d.bits === 16 ? 0xffff : 0x7fffffff));
      if (d.bits === 64) d.emit(0x48);
      if (bytes === 0) d.emit(0xcb);
      else d.emit(0xca).imm(bytes, 2);
    }
  }
}

const dataSelectorIn = (d: Draft): number => (d.protected ? dataSelector(d) : plainSelector(d));

const stackSelector = (d: Draft, level: number): number =>
  d.protected ? ([SEL.data32, SEL.data1 | 1, SEL.data2 | 2, SEL.userData | 3][level] as number) : L.ARENA >> 4;

/** Flags for POPF and IRET: TF, IF, IOPL, NT, RF, VM, AC, ID and the arithmetic ones, some at a time. */
export function flags(d: Draft): number {
  const { r } = d;
  let value = 2 | (r.u32() & 0xcd5);
  if (r.oneIn(3)) value |= r.u32() & 0x254000;
  if (r.oneIn(3)) value |= r.u32() & 0x3200;
  if (r.oneIn(10)) value |= 0x100;
  if (r.oneIn(12)) value |= 0x20000;
  if (r.oneIn(40)) value |= r.u32();
  if ((value & 0x10000) !== 0) d.c.tags.add('RF');
  // VIF and VIP belong to VME, which QEMU has not.
  return (value & ~0x180000) >>> 0;
}

export function iret(d: Draft): void {
  const { r } = d;
  const { selector, offset } = target(d);
  const limit = d.bits === 16 ? 0xffff : -1;
  const value = flags(d);
  if ((value & 0x20000) !== 0) d.c.tags.add('vm flag');
  if ((value & 0x20000) !== 0 && d.protected && !d.long) {
    for (let i = 0; i < 4; i++) d.push(r.below(0x10000));
  }
  const stack = r.oneIn(4) ? dataSelectorIn(d) : stackSelector(d, selector & 3);
  if (stack < 4) d.c.tags.add('null SS');
  d.push(stack);
  d.push(r.oneIn(8) ? r.u32() & limit & 0x7fffffff : L.STACK3 - 0x100 - d.base);
  d.push(value & limit);
  d.push(selector);
  d.push(offset & limit);
  if (d.bits === 64 && !r.oneIn(8)) d.emit(0x48);
  d.emit(0xcf);
}

/** A handler in the second code page that returns. */
function returningHandler(d: Draft): void {
  const at = L.CODE_OTHER + 0x800;
  d.patch(at, d.long ? [0x48, 0xcf] : [0xcf]);
}

export function interrupts(d: Draft): void {
  const { r } = d;
  const vector = r.oneIn(4) ? r.of([0, 1, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 16, 17]) : 0x20 + r.below(0x60);
  if (d.c.environment === 'real') {
    if (vector !== 3 && r.oneIn(2)) d.word(L.IDT + 4 * vector, ((L.ARENA >> 4) << 16) | (L.CODE_OTHER + 0x800 - L.ARENA), 4);
  } else if (!r.oneIn(3)) {
    interruptGate(d, vector);
  }
  if (r.oneIn(3)) returningHandler(d);
  if (vector === 3 || vector === 4 || vector >= 0x20) d.c.tags.add('software interrupt');
  switch (vector) {
    case 0:
      // DIV by zero.
      d.load(1, 0).emit(0xf7).direct(6, 1);
      break;
    case 1:
      d.c.tags.add('int1');
      d.emit(0xf1);
      break;
    case 3:
      d.emit(0xcc);
      break;
    case 4:
      // INTO after an overflow.
      d.load(0, 0x7fffffff)
        .emit(0x05)
        .imm(0x7fffffff, d.bits === 16 ? 2 : 4)
        .emit(0xce);
      break;
    case 5:
      d.emit(0x62).absolute(1, L.DATA + 4 * r.below(64));
      break;
    case 6:
      d.emit(0x0f, 0x0b);
      break;
    default:
      d.emit(0xcd, vector);
  }
  d.emit(0x90);
}

/** Task switches of protected mode. */
export function tasks(d: Draft): void {
  const { r, c } = d;
  c.tags.add('task');
  const tss = L.TSS_OTHER;
  if (r.oneIn(3)) {
    // A task at another level.
    const level = r.below(4);
    const code = [SEL.code32, SEL.code32of1 | 1, SEL.code32of2 | 2, SEL.user32 | 3][level] as number;
    const data = [SEL.data32, SEL.data1 | 1, SEL.data2 | 2, SEL.userData | 3][level] as number;
    d.word(tss + 32, r.of([L.CODE, L.CODE_OTHER]) + 0x800, 4);
    d.word(tss + 76, code, 2);
    d.word(tss + 80, data, 2);
    for (const i of [0, 3, 4, 5]) d.word(tss + 72 + 4 * i, data, 2);
    d.word(tss + 56, [L.STACK0 - 0x300, L.STACK1, L.STACK2, L.STACK3][level] as number, 4);
  }
  if (r.oneIn(2)) d.word(tss + 36, flags(d) & ~0x20100, 4);
  if (r.oneIn(4)) {
    c.tags.add('bad task');
    d.word(tss + 72 + 4 * r.below(6), r.oneIn(3) ? codeSelector(d) : dataSelector(d), 2);
  }
  if (r.oneIn(6)) {
    c.tags.add('bad task');
    d.word(tss + 96, r.oneIn(2) ? SEL.ldt : dataSelector(d), 2);
  }
  if (r.oneIn(8)) {
    c.tags.add('T flag');
    d.word(tss + 100, 1, 2);
  }
  let selector: number = SEL.tssOther;
  if (r.oneIn(4)) {
    const type = r.of([9, 9, 11, 1, 3, 2]);
    const limit = r.of([0x67, 0x67, 0x66, 0x2b, 0x2a, 0x400]);
    // A 16-bit TSS would be read from the middle of the 32-bit one.
    if (type < 8) c.tags.add('bad task');
    selector = place(d, descriptor(tss, limit, (r.oneIn(8) ? 0 : 0x80) | (r.of([0, d.level, 3]) << 5) | type, 0)) & ~4;
  } else if (d.level > 0 || r.oneIn(2)) {
    d.word(L.GDT + SEL.tssOther, descriptor(tss, 0x67, 0x80 | (3 << 5) | 9, 0), 8);
  }
  selector = r.oneIn(4) ? withRpl(d, selector) : selector;
  if ((selector & ~7) === SEL.tss) c.tags.add('own task');
  const wide = d.bits === 16 ? 2 : 4;
  switch (r.below(4)) {
    case 0:
      d.emit(r.of([0xea, 0x9a]))
        .imm(landing(d), wide)
        .imm(selector, 2);
      break;
    case 1: {
      const access = (r.oneIn(8) ? 0 : 0x80) | (3 << 5) | 5;
      const gate = place(d, (BigInt(access << 8) << 32n) | (BigInt(selector) << 16n));
      d.emit(r.of([0xea, 0x9a]))
        .imm(landing(d), wide)
        .imm(gate | d.level, 2);
      break;
    }
    case 2: {
      const access = (r.oneIn(8) ? 0 : 0x80) | (3 << 5) | 5;
      d.word(L.IDT + 8 * 0x40, (BigInt(access << 8) << 32n) | (BigInt(selector) << 16n), 8);
      d.emit(0xcd, 0x40);
      break;
    }
    default:
      // IRET with NT goes to the task that the current one links to.
      c.rflags |= 0x4000n;
      d.word(L.TSS, selector, 2);
      if (r.oneIn(2)) d.word(L.GDT + SEL.tssOther, descriptor(tss, 0x67, 0x80 | 11, 0), 8);
      d.emit(0xcf);
  }
}

/** SYSCALL, SYSRET, SYSENTER, SYSEXIT with the MSRs behind them. */
export function systemCalls(d: Draft): void {
  const { r, c } = d;
  const wide = d.long ? 64 : 32;
  c.msrs.push([0xc0000082, BigInt(r.oneIn(4) ? L.CODE_OTHER + 0x800 : d.harness.stub(64, L.END.SYSCALL))]);
  c.msrs.push([0xc0000083, BigInt(d.harness.stub(64, L.END.SYSCALL))]);
  c.msrs.push([0x176, BigInt(d.harness.stub(wide, L.END.SYSENTER))]);
  c.msrs.push([0x175, BigInt(L.STACK0 - 0x400)]);
  if (r.oneIn(2)) {
    const selector = r.oneIn(2) ? r.below(4) : r.below(0x10000);
    if (selector < 4) c.tags.add('null SYSENTER_CS');
    c.msrs.push([0x174, BigInt(selector)]);
  }
  if (r.oneIn(2)) c.msrs.push([0xc0000084, BigInt(r.u32() & 0x3f7fd7)]);
  if (r.oneIn(3)) c.msrs.push([0xc0000081, (BigInt(r.u32()) << 32n) | 0n]);
  if (r.oneIn(5)) c.efer &= ~1;
  c.rflags |= BigInt(r.u32() & 0xcd5);
  const resume = r.oneIn(12) ? r.edge64() : BigInt(r.of([L.CODE, L.CODE_OTHER]) + 0x800);
  d.load(1, d.bits === 64 ? resume : resume & 0xffffffffn);
  d.load(2, d.bits === 64 && r.oneIn(8) ? r.edge64() : BigInt(L.CODE + 0x800));
  if (d.bits === 64) d.emit(0x49, 0xbb).imm(BigInt(r.oneIn(8) ? r.u32() : r.u32() & 0x247fd7), 8);
  const opcode = r.of([0x05, 0x07, 0x34, 0x35]);
  if (opcode < 0x10) c.tags.add('SYSCALL');
  // SYSEXIT takes the stack pointer from ECX.
  if (opcode === 0x35 && !r.oneIn(12)) d.load(1, L.STACK3 - 0x40);
  if (d.bits === 64 && r.oneIn(2)) d.emit(0x48);
  d.emit(0x0f, opcode);
}
