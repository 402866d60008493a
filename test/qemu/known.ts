/**
 * Where QEMU is wrong, or where the manual leaves it open: differences that are no fault of ours, each with its clause.
 *
 * An entry excuses single differences. It says for each what ours must be, so that it does not hide what we do wrong. Clauses without a
 * name are of the Intel SDM.
 *
 * @module
 */
import type { Case } from './case.ts';
import type { Difference, Result } from './compare.ts';
import { isLong } from './environments.ts';
import * as L from './layout.ts';

export interface Entry {
  readonly name: string;
  /** What the manual says. */
  readonly clause: string;
  readonly excuses: (difference: Difference, c: Case, ours: Result, theirs: Result) => boolean;
}

/** Vectors of faults (vol. 3, table 6-1): others are traps, aborts or interrupts. */
const FAULTS: readonly number[] = [0, 5, 6, 7, 10, 11, 12, 13, 14, 16, 17, 19];
const GP = 13;
const SS = 12;
const BP = 3;

const big = (text: string): bigint => BigInt(`0x${text === 'as before' ? '0' : text}`);

const inTable = (field: string, from: number, bytes: number): boolean => {
  const at = Number.parseInt(field.slice(1), 16);
  return field.startsWith('[') && at >= from && at < from + bytes;
};

/** RF in the pushed flags of our side alone; the frame's words may stand at odd places of a field. */
function onlyRf(d: Difference): boolean {
  // The words before are those of the arena, whose flags are 2.
  const change = big(d.ours) ^ (d.theirs === 'as before' && big(d.ours) === 0x10002n ? 2n : big(d.theirs));
  return [0n, 16n, 32n, 48n].some((n) => change === 1n << n) && (big(d.ours) & change) !== 0n;
}

/** The accessed bit of a code or data descriptor on our side alone. */
function onlyAccessed(d: Difference, theirs: number): boolean {
  const ours = Number(big(d.ours));
  return (ours ^ theirs) === 0x100 && (ours & 0x1100) === 0x1100;
}

/** The instruction there has a LOCK prefix first. */
const startsWithLock = (c: Case, rip: bigint): boolean => c.code[Number(rip - c.rip)] === 0xf0;

/** Bytes that a case's patches gave a word of the arena, or undefined. */
function patched(c: Case, at: number): number | undefined {
  let value: number | undefined;
  for (const p of c.patches) {
    if (at < p.at || at + 4 > p.at + p.bytes.length) continue;
    const view = new DataView(p.bytes.buffer, p.bytes.byteOffset, p.bytes.length);
    value = view.getUint32(at - p.at, true);
  }
  return value;
}

/** Its first code is 64-bit code. */
const is64 = (c: Case): boolean =>
  ([L.SEL.code64, L.SEL.code64of1, L.SEL.code64of2, L.SEL.user64] as readonly number[]).includes(c.cs & ~7);

const isCanonical = (address: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, address)) === BigInt.asUintN(64, address);

const CR0_RESERVED = 0x1ffaffc0n;

const ended = (r: Result): boolean => r.status === L.STATUS.ENDED;
/** The instruction went on in QEMU, or ran into something later, where we refuse it with `vector`. */
const refused = (ours: Result, theirs: Result, ...vectors: number[]): boolean =>
  ended(ours) && vectors.includes(ours.vector) && (theirs.end !== ours.end || theirs.rip !== ours.rip);

export const KNOWN: readonly Entry[] = [
  {
    name: 'RF is not set in the flags that a fault pushes',
    clause: 'vol. 3, 18.3.1.1: for any fault-class exception except an instruction breakpoint, the value pushed for RF is 1',
    excuses: (d, c, ours) =>
      (d.field.startsWith('frame') || inTable(d.field, L.ARENA, L.ARENA_BYTES)) &&
      (FAULTS.includes(ours.vector) || ours.u32(L.SAVE.NESTED) !== 0 || c.tags.has('task') || c.kind === 'interrupts') &&
      onlyRf(d),
  },
  {
    name: 'an accessed bit is set in the PAE page-directory-pointer table',
    clause: 'vol. 3, 4.4.1 and 4.8: these entries are loaded with CR3 and have no accessed flag',
    excuses: (d, c) => {
      if (c.environment !== 'pae' || !inTable(d.field, L.PDPT, 32)) return false;
      const at = Number.parseInt(d.field.slice(1), 16);
      const before = d.ours === 'as before' ? (patched(c, at) ?? (at === L.PDPT ? L.PD | 1 : 0)) : Number(big(d.ours));
      return (Number(big(d.theirs)) ^ before) >>> 0 === 0x20;
    },
  },
  {
    name: 'the accessed bit of a code segment, or of a stack of an outer level, is not set',
    clause: 'vol. 3, 3.4.5.1: the processor sets this bit whenever it loads the segment selector into a segment register',
    excuses: (d, c) => {
      if (!inTable(d.field, L.GDT, 0x1000)) return false;
      const at = Number.parseInt(d.field.slice(1), 16);
      const before = d.theirs === 'as before' ? (patched(c, at) ?? Number(big(d.ours)) ^ 0x100) : Number(big(d.theirs));
      return onlyAccessed(d, before);
    },
  },
  {
    name: 'error codes that name a gate of the 64-bit IDT hold twice its number',
    clause: 'vol. 3, 6.13: with the IDT flag, bits 15:3 are the index of the gate',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' &&
      isLong(c.environment) &&
      ours.vector === theirs.vector &&
      (ours.error & 2) !== 0 &&
      ours.error >> 3 === theirs.error >> 4,
  },
  {
    name: 'EXT is not set in the error code when the delivery of an exception fails',
    clause: 'vol. 3, 6.13: EXT is set for an event external to the program or an earlier exception, and clear for INT n, INT3 and INTO',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && ours.vector === theirs.vector && ours.error === (theirs.error | 1) && !c.tags.has('software interrupt'),
  },
  {
    name: 'SS is loaded with null by an interrupt that stays at its level but takes an IST stack',
    clause: 'vol. 3, 6.14.2: SS is forced to a null selector if there is a CPL change',
    excuses: (d, c, ours) =>
      (c.tags.has('IST') || ours.vector === 8) &&
      (d.field === 'ss' || d.field === 'frame4' || inTable(d.field, L.STACK0 & ~0xfff, 0x1000)) &&
      big(d.theirs) === (big(d.ours) & 3n),
  },
  {
    name: 'a jump through a call gate to code that is not present raises #GP',
    clause: 'vol. 2, JMP, CALL-GATE: IF code-segment descriptor is not present THEN #NP(code-segment descriptor selector)',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && c.kind === 'far transfers' && ours.vector === 11 && theirs.vector === GP && ours.error === theirs.error,
  },
  {
    name: 'a far CALL at level 3 pushes with the rights of the supervisor',
    clause: 'vol. 3, 4.6: accesses that are no implicit supervisor accesses have the mode of the CPL',
    excuses: (d, c, ours, theirs) => refused(ours, theirs, 14) && d.field === 'end' && c.kind === 'far transfers' && (ours.error & 4) !== 0,
  },
  {
    name: 'INT1 raises #UD',
    clause: 'vol. 2, INT1: generates a debug exception (#DB)',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('int1') && theirs.vector === 6 && ours.vector !== 6,
  },
  {
    name: 'IRET with VM set in its flags goes to virtual-8086 mode out of IA-32e mode, too',
    clause: 'vol. 2, IRET: RETURN-TO-VIRTUAL-8086-MODE only with PE = 1, LMA = 0 and CPL = 0',
    excuses: (d, c) => d.field === 'end' && isLong(c.environment) && c.tags.has('vm flag'),
  },
  {
    name: 'instruction pointers beyond the limit are not refused by far transfers',
    clause: 'vol. 2, IRET, RET, CALL, JMP: IF the return instruction pointer is not within code segment limit THEN #GP(0)',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' &&
      refused(ours, theirs, GP) &&
      ours.error === 0 &&
      (c.tags.has('limit') || c.tags.has('vm flag')) &&
      theirs.vector !== GP,
  },
  {
    name: 'a code segment with both L and D set is entered',
    clause: 'vol. 2, JMP, CALL, RET, IRET: IF EFER.LMA = 1 and the descriptor has both L and D set THEN #GP(selector); vol. 3, 3.4.5',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && isLong(c.environment) && c.tags.has('L and D') && refused(ours, theirs, GP) && ours.error !== 0,
  },
  {
    name: 'an address of a 64-bit gate that is not canonical is jumped to',
    clause: 'vol. 2, INT and CALL: IF the instruction pointer is not canonical THEN #GP',
    excuses: (_d, c, ours) =>
      isLong(c.environment) && c.tags.has('not canonical') && (ours.vector === GP || ours.vector === 8) && (ours.error & ~1) === 0,
  },
  {
    name: 'the frame of an interrupt that stays at level 3 is pushed with the rights of the supervisor',
    clause: 'vol. 3, 4.6: only GDT, LDT, IDT and TSS are accessed as the supervisor whatever the CPL; the stack is not',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.kind === 'interrupts' && refused(ours, theirs, 14) && (ours.error & 4) !== 0,
  },
  {
    name: 'IRET with VM set in its flags goes to virtual-8086 mode at every level',
    clause: 'vol. 2, IRET: RETURN-TO-VIRTUAL-8086-MODE only with CPL = 0',
    excuses: (_d, c) => c.tags.has('vm flag') && (c.cs & 3) !== 0,
  },
  {
    name: 'IRET and RETF load SS with a null selector that is not allowed',
    clause:
      'vol. 2, IRET, IA-32e-MODE-RETURN: #GP(0) for a null SS going back to compatibility mode, to CPL 3, or with RPL <> CPL; RET has the first two',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && isLong(c.environment) && c.tags.has('null SS') && refused(ours, theirs, GP) && ours.error === 0,
  },
  {
    name: 'a 16-bit call gate leads to an offset of 32 bits',
    clause: 'vol. 2, CALL, CALL-GATE: 16-bit gate: EIP ← CallGate(InstructionPointer AND 0000FFFFH)',
    excuses: (_d, c) => c.tags.has('16-bit call gate'),
  },
  {
    name: 'a far CALL to 64-bit code checks a limit',
    clause: 'vol. 3, 3.4.5, L flag, and 5.3.1: in 64-bit mode the processor does not check limits of code segments',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && isLong(c.environment) && c.tags.has('limit') && ours.vector === BP && theirs.vector === GP && theirs.error !== 0,
  },
  {
    name: 'an offset beyond the limit gives an error code',
    clause: 'vol. 2, CALL: #GP(0) if the target offset is beyond the new code segment limit',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && c.tags.has('limit') && ours.vector === GP && ours.error === 0 && theirs.vector === GP && theirs.error !== 0,
  },
  {
    name: 'a gate to code that is neither present nor 64-bit: #NP, where ours is #GP',
    clause: 'vol. 2, INT: no order is given between the two; vol. 2, CALL, CALL-GATE has the #GP first',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && isLong(c.environment) && theirs.vector === 11 && (ours.vector === GP || ours.vector === 8),
  },
  {
    name: 'limits and rights of segments are not checked by data accesses',
    clause: 'vol. 3, 5.3 and 5.5: a reference outside the limit, through null, or against the type raises #GP or #SS',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' &&
      (c.tags.has('access') || c.tags.has('null') || (c.kind === 'segments' && c.tags.has('limit'))) &&
      // A stack without a byte makes a double fault of what would be pushed.
      refused(ours, theirs, GP, SS, 8) &&
      ours.error === 0,
  },
  {
    name: 'overrides of CS, DS, ES and SS add a base in 64-bit mode',
    clause: 'vol. 1, 3.3.4, and vol. 2, 2.2.1.7: in 64-bit mode these bases are treated as zero, the overrides are ignored',
    excuses: (_d, c) => c.kind === 'segments' && is64(c) && c.tags.has('access'),
  },
  {
    name: 'IRET to a stack that is not present raises #NP',
    clause: 'vol. 2, IRET, RETURN-TO-OUTER-PRIVILEGE-LEVEL: IF stack segment is not present THEN #SS(SS selector)',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && c.kind === 'iret' && ours.vector === SS && theirs.vector === 11 && ours.error === theirs.error,
  },
  {
    name: 'XRSTOR after XSAVE: a state that is initial is stored as in use',
    clause: 'vol. 1, 13.6 and 13.7: XINUSE[i] = 0 for an initial state is allowed, not demanded; XRSTOR then finds other bits in XSTATE_BV',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && c.kind === 'extended states' && c.tags.has('saved') && ours.vector === BP && theirs.vector === GP,
  },
  {
    name: 'a TSS in the LDT is looked at before it is refused',
    clause: 'vol. 2, JMP, TASK-STATE-SEGMENT: the selector must be global, else #GP(TSS selector)',
    excuses: (d, _c, ours, theirs) =>
      d.field === 'end' && ours.vector === GP && theirs.vector === 11 && ours.error === theirs.error && (ours.error & 4) !== 0,
  },
  {
    name: 'memory behind the end of RAM',
    clause: 'the boards differ: nothing about it in the manual',
    excuses: (d, c) => d.field !== 'end' && c.tags.has('beyond RAM'),
  },
  {
    name: 'a page fault of a read-modify-write is reported as that of a read',
    clause: 'vol. 3, 4.7: W/R is set when the access was a write; the processor asks for the page once, with the right to write',
    excuses: (d, _c, ours, theirs) => {
      if (d.field !== 'end' || ours.vector !== 14 || theirs.vector !== 14) return false;
      // Across two pages the read may get further than the write.
      const further = theirs.u64(L.SAVE.CR2) - ours.u64(L.SAVE.CR2);
      // A protection key that forbids writes alone shows with the write.
      const more = ours.error & ~theirs.error & ~0x20;
      return more === 2 && (further === 0n ? (theirs.error & ~ours.error) === 0 : further > 0n && further < 16n);
    },
  },
  {
    name: 'LAR and LSL take system descriptors that IA-32e mode does not have',
    clause: 'vol. 2, LAR, table 3-53, and LSL, table 3-67: types 1, 3, 4 and 5 are not valid in IA-32e mode',
    excuses: (d, c) => c.kind === 'segments' && isLong(c.environment) && c.tags.has('legacy type') && d.field !== 'end',
  },
  {
    name: 'SS is loaded with a null selector whose RPL is not the CPL',
    clause: 'vol. 2, MOV: IF SS is loaded and the selector is null: #GP(0) unless in 64-bit mode with CPL < 3 and RPL = CPL',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' &&
      ((c.kind === 'segments' && c.tags.has('null SS')) || c.tags.has('MOV SS')) &&
      refused(ours, theirs, GP) &&
      ours.error === 0,
  },
  {
    name: 'a null SS makes the level 0',
    clause: 'vol. 3, 5.5: the CPL is in bits 1:0 of CS and SS; vol. 2, MOV: a null SS is marked unusable, the CPL stays',
    excuses: (_d, c) =>
      isLong(c.environment) && ((c.kind === 'segments' && c.tags.has('null SS')) || (c.kind === 'single step' && c.tags.has('MOV SS'))),
  },
  {
    name: 'reserved bits, types and addresses that are not canonical are taken by WRMSR',
    clause: 'vol. 2, WRMSR: #GP(0) if the value sets bits that are reserved, or if the MSR holds an address and it is not canonical',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('MSR reserved') && refused(ours, theirs, GP),
  },
  {
    name: 'an MSR that does not exist is written',
    clause: 'vol. 2, WRMSR: #GP(0) if the value in ECX specifies a reserved or unimplemented MSR address',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('no such MSR') && refused(ours, theirs, GP),
  },
  {
    name: 'a call gate to conforming code loads CS with the level of its descriptor',
    clause: 'vol. 2, CALL, CALL-GATE, SAME-PRIVILEGE: CS(RPL) ← CPL',
    excuses: (d, c) =>
      c.kind === 'far transfers' &&
      (d.field.startsWith('frame') || d.field.startsWith('[')) &&
      [big(d.ours) ^ big(d.theirs), (big(d.ours) ^ big(d.theirs)) >> 32n].some((change) => change > 0n && change < 4n),
  },
  {
    name: 'segment registers that a return to an outer level made null keep their base',
    clause: 'vol. 3, 5.8.6: they are loaded with a null selector; what base is left is not said',
    excuses: (d, c, ours) =>
      (d.field === 'fs base' && ours.text(L.SAVE.FS, 2) === '0' && c.fs !== 0) ||
      (d.field === 'gs base' && ours.text(L.SAVE.GS, 2) === '0' && c.gs !== 0),
  },
  {
    name: 'the limit of a TSS of 2 GiB or more is taken as negative',
    clause: 'vol. 2, JMP, TASK-STATE-SEGMENT: #TS only if the limit is below 67h',
    excuses: (d, c, _ours, theirs) => d.field === 'end' && c.kind !== 'tasks' && theirs.vector === 10,
  },
  {
    name: 'SYSCALL and SYSRET work outside of 64-bit mode',
    clause: 'vol. 2, SYSCALL and SYSRET: IF CS.L ≠ 1 or EFER.LMA ≠ 1 or EFER.SCE ≠ 1 THEN #UD (AMD processors differ)',
    excuses: (d, c, ours) => d.field === 'end' && c.tags.has('SYSCALL') && ours.vector === 6 && !is64(c),
  },
  {
    name: 'SYSENTER and SYSEXIT take a selector that is null but for its RPL',
    clause: 'vol. 2, SYSENTER: #GP(0) if IA32_SYSENTER_CS[15:2] = 0; the same for SYSEXIT',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('null SYSENTER_CS') && refused(ours, theirs, GP) && ours.error === 0,
  },
  {
    name: 'SYSCALL clears the arithmetic flags that IA32_FMASK keeps',
    clause: 'vol. 2, SYSCALL: RFLAGS ← RFLAGS AND NOT(IA32_FMASK)',
    excuses: (d, c) =>
      c.tags.has('SYSCALL') &&
      is64(c) &&
      d.field !== 'end' &&
      ((big(d.ours) ^ big(d.theirs)) & ~0xcd5n) === 0n &&
      (d.field === 'flags' || (big(d.theirs) & 0xfd7n) === 2n),
  },
  {
    name: 'a register that does not exist is #GP at an outer level',
    clause: 'vol. 3, table 6-2: an invalid opcode is found when the instruction is decoded, before its privilege is looked at',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' &&
      (c.kind === 'control registers' || c.kind === 'debug registers') &&
      ours.vector === 6 &&
      theirs.vector === GP &&
      ours.rip === theirs.rip,
  },
  {
    name: 'the T flag of a TSS is ignored',
    clause: 'vol. 3, 7.2.1: T flag: when set, causes the processor to raise a debug exception when a task switch to this task occurs',
    excuses: (d, c, ours) => d.field === 'end' && c.tags.has('T flag') && ours.vector === 1,
  },
  {
    name: 'a task switch that fails after its commit',
    clause: 'vol. 3, 6.15, #TS: the handler must not rely on the selectors in CS, SS and the others; what they hold is not defined',
    excuses: (_d, c, ours, theirs) =>
      c.tags.has('bad task') && [ours, theirs].some((r) => !ended(r) || [8, 10, 11, 12, GP].includes(r.vector) || r.vector > 0x103),
  },
  {
    name: 'DR7.GD is ignored',
    clause: 'vol. 3, 17.2.4: general detect: a debug exception prior to any MOV that accesses a debug register',
    excuses: (d, c, ours) => d.field === 'end' && c.kind === 'debug registers' && (ours.vector === 1 || ours.u32(L.SAVE.NESTED) === 2),
  },
  {
    name: 'combinations of CR0 that are not allowed are taken',
    clause: 'vol. 2, MOV to CR: #GP(0) if CR0 is to be written with PG and no PE, NW and no CD, or a reserved bit above 31',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('CR0 invalid') && refused(ours, theirs, GP) && ours.error === 0,
  },
  {
    name: 'reserved bits of CR0 are kept',
    clause: 'vol. 3, 2.5: reserved bits of CR0 remain clear, whatever is written',
    excuses: (d, c) =>
      c.kind === 'control registers' &&
      d.field !== 'end' &&
      ((big(d.ours) ^ big(d.theirs)) & ~CR0_RESERVED) === 0n &&
      ((big(d.ours) ^ big(d.theirs)) & big(d.ours)) === 0n,
  },
  {
    name: 'reserved bits of CR3 and CR4 are taken',
    clause: 'vol. 2, MOV to CR: #GP(0) if an attempt is made to write a 1 to any reserved bit in CR4, or to leave CR3 with one',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('CR reserved') && refused(ours, theirs, GP) && ours.error === 0,
  },
  {
    name: 'reserved bits of DR6 and DR7 are kept',
    clause: 'vol. 3, 17.2.4 and figure 17-1: bits 15, 14, 12 and 11 of DR7 and bit 12 of DR6 are reserved and read as 0',
    excuses: (d, c) =>
      c.kind === 'debug registers' &&
      d.field !== 'end' &&
      ((big(d.ours) ^ big(d.theirs)) & ~0xd800n) === 0n &&
      (big(d.ours) & 0xd800n) === 0n,
  },
  {
    name: 'SYSEXIT to 32-bit code takes all of RDX and RCX',
    clause: 'vol. 2, SYSEXIT: without REX.W EIP ← EDX, ESP ← ECX',
    excuses: (d, c, ours, theirs) => {
      if (c.kind !== 'system calls' || !is64(c) || c.tags.has('SYSCALL')) return false;
      if (d.field === 'end') return theirs.rip !== ours.rip && (theirs.rip & 0xffffffffn) === ours.rip;
      // Upper halves, as parts of the frame or as words of their own.
      return (big(d.theirs) & 0xffffffffn) === big(d.ours) || big(d.ours) === 0n;
    },
  },
  {
    name: 'SYSRET loads RF and VM from R11, and not VIF and VIP',
    clause: 'vol. 2, SYSRET: RFLAGS ← (R11 & 3C7FD7H) | 2: clear RF, VM, reserved bits',
    excuses: (d, c) => c.tags.has('SYSCALL') && is64(c) && d.field !== 'end' && ((big(d.theirs) ^ big(d.ours)) & ~0x1b0000n) === 0n,
  },
  {
    name: 'SYSRET and SYSEXIT go to an address that is not canonical',
    clause: 'vol. 2, SYSRET: IF RCX is not canonical THEN #GP(0); SYSEXIT: RDX and RCX',
    excuses: (_d, c, ours, theirs) =>
      c.kind === 'system calls' && is64(c) && ours.vector === GP && ours.error === 0 && !isCanonical(theirs.rip),
  },
  {
    name: 'a task that links to itself is read before it is written',
    clause: 'vol. 2, IRET, TASK-RETURN, and vol. 3, 7.3: the state of the old task is saved before that of the new one is loaded',
    excuses: (_d, c) => c.tags.has('own task'),
  },
  {
    name: 'accessed flags are set in the entries above one that refuses the access',
    clause:
      'vol. 3, 4.8: whenever the processor uses an entry as part of linear-address translation; 6.15, #PF, has it for protection violations only',
    excuses: (d, c, ours) => {
      if (ours.vector !== 14 && ours.vector !== 8) return false;
      if (!inTable(d.field, L.PML4, L.CODE - L.PML4)) return false;
      const at = Number.parseInt(d.field.slice(1), 16);
      const before = d.ours === 'as before' ? (patched(c, at) ?? Number(big(d.theirs)) ^ 0x20) : Number(big(d.ours));
      return (Number(big(d.theirs)) ^ before) === 0x20;
    },
  },
  {
    name: 'an address through RSP or RBP that is not canonical raises #GP',
    clause: 'vol. 1, 3.3.7.1, and vol. 3, 6.15, #SS: a reference by way of the stack segment to an address that is not canonical is #SS(0)',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' &&
      c.kind === 'canonical addresses' &&
      ours.vector === SS &&
      ours.error === 0 &&
      (theirs.vector === GP || theirs.vector === 14),
  },
  {
    name: 'an operand across the end of the canonical addresses is refused for its first page, not as such',
    clause: 'vol. 1, 3.3.7.1: the check is made for the linear address, before pages are looked at',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' &&
      c.kind === 'canonical addresses' &&
      ours.vector === GP &&
      theirs.vector === 14 &&
      !isCanonical(theirs.u64(L.SAVE.CR2) + 8n),
  },
  {
    name: 'a near transfer goes to an address that is not canonical',
    clause: 'vol. 2, CALL, JMP, RET: IF the target is not canonical THEN #GP(0), with nothing pushed or popped',
    excuses: (_d, c, ours, theirs) =>
      c.kind === 'canonical addresses' && (ours.vector === GP || ours.vector === 8) && ours.error === 0 && !isCanonical(theirs.rip),
  },
  {
    name: 'IRETD and RETF with 32-bit operands take 32 bits of RSP in 64-bit mode',
    clause: 'vol. 1, 6.2.5: in 64-bit mode the stack pointer has 64 bits whatever the operand size',
    excuses: (_d, c) => c.kind === 'canonical addresses' && c.tags.has('far return'),
  },
  {
    name: 'a page fault for a reserved bit has no P in its error code',
    clause: 'vol. 3, 4.7: RSVD can be set only if P is set',
    excuses: (d, _c, ours, theirs) =>
      d.field === 'end' &&
      ours.vector === 14 &&
      theirs.vector === 14 &&
      (theirs.error & 9) === 8 &&
      ((ours.error ^ theirs.error) & ~3) === 0 &&
      (ours.error & 9) === 9,
  },
  {
    name: 'reserved bits of the PAE page-directory-pointer table are not checked when it is loaded',
    clause: 'vol. 3, 4.4.1: if any of the PDPTEs sets both P and a reserved bit, MOV to CR causes #GP(0)',
    excuses: (d, c, ours) =>
      d.field === 'end' && c.environment === 'pae' && c.kind === 'paging' && ours.status === L.STATUS.HOME && ours.vector === GP,
  },
  {
    name: 'XSETBV without OSXSAVE raises #GP at an outer level',
    clause: 'vol. 2, XSETBV: #UD if CR4.OSXSAVE = 0; vol. 3, table 6-2',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && c.tags.has('XCR') && (c.cr4 & 0x40000) === 0 && ours.vector === 6 && theirs.vector === GP,
  },
  {
    name: 'WRFSBASE and WRGSBASE take an address that is not canonical',
    clause: 'vol. 2, WRFSBASE: #GP(0) if the source register contains a non-canonical address',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('WRFSBASE') && refused(ours, theirs, GP),
  },
  {
    name: 'LOCK is taken before instructions that do not have it',
    clause: 'vol. 2, LOCK: #UD if used with an instruction not listed, or when the destination operand is not memory',
    excuses: (_d, c, ours) => c.kind === 'LOCK' && ours.vector === 6 && startsWithLock(c, ours.rip),
  },
  {
    name: 'the single-step trap waits for the instruction after STI',
    clause: 'vol. 2, STI, and vol. 3, 6.8.1: only maskable interrupts wait; it is MOV SS and POP SS that put debug exceptions off',
    excuses: (_d, c, ours) => c.kind === 'single step' && c.tags.has('STI') && ours.vector === 1,
  },
  {
    name: 'RF stays set after the instruction behind IRET',
    clause: 'vol. 3, 17.3.1.1: the processor clears RF after the successful execution of the instruction at which IRET arrived',
    excuses: (d, c, ours, theirs) =>
      ((c.rflags & 0x10000n) !== 0n || c.tags.has('RF')) &&
      d.field !== 'end' &&
      onlyRf({ ...d, ours: d.theirs, theirs: d.ours }) &&
      ours.vector === theirs.vector,
  },
  {
    name: 'an instruction breakpoint in code whose segment does not start at 0 shuts the machine down',
    clause: 'vol. 3, 17.3.1.1: a fault-class #DB before the instruction',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && c.kind === 'breakpoints' && ours.vector === 1 && theirs.status === L.STATUS.SHUTDOWN,
  },
  {
    name: 'DR6 tells the breakpoint of the next instruction, too, when a data breakpoint traps before it',
    clause: 'vol. 3, table 6-2: traps of the previous instruction come first, code breakpoints later',
    excuses: (d, c, ours) => d.field === 'dr6' && c.kind === 'breakpoints' && ours.vector === 1 && (big(d.ours) & ~big(d.theirs)) === 0n,
  },
  {
    name: 'DR6 tells only one of several data breakpoints that an access hits',
    clause: 'vol. 3, 17.2.3: B0 to B3 indicate that the associated breakpoint condition was met',
    excuses: (d, c, ours) =>
      d.field === 'dr6' &&
      c.kind === 'breakpoints' &&
      ours.vector === 1 &&
      (big(d.theirs) & ~big(d.ours)) === 0n &&
      (big(d.theirs) & 15n) !== 0n,
  },
  {
    name: 'a single-step trap put off by MOV SS is lost when the next instruction raises an exception or interrupt',
    clause: 'vol. 3, 6.8.3, and 26.3.1.5 (with blocking by MOV SS and TF, BS is pending): it is held, not lost',
    excuses: (d, c, ours) => d.field === 'end' && c.kind === 'single step' && c.tags.has('MOV SS') && ours.vector === 1,
  },
  {
    name: 'QEMU gives up ("tcg fatal error")',
    clause: 'its own failure',
    excuses: (d, _c, _ours, theirs) => d.field === 'end' && theirs.status === L.STATUS.CRASH,
  },
  {
    name: 'LTR takes a null selector whose RPL is not 0',
    clause: 'vol. 2, LTR: IF SRC is a NULL selector THEN #GP(0)',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('null LTR') && refused(ours, theirs, GP) && ours.error === 0,
  },
  {
    name: 'VMCALL is a hypercall for us',
    clause: 'vol. 3, 25.1.2: in a guest VMCALL exits to the monitor, here as in KVM; QEMU is a machine without one',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && c.tags.has('VMCALL') && theirs.vector === 6 && (ours.vector !== 6 || ours.rip > theirs.rip),
  },
  {
    name: 'the exponent of a register written by MMX stays',
    clause: 'vol. 1, 9.6.2: bits 79:64 of the x87 register that MMX writes are set to all 1s',
    excuses: (d, c) =>
      c.tags.has('SSE') &&
      /^st[0-7]$/.test(d.field) &&
      big(d.ours) >> 64n === 0xffffn &&
      ((big(d.ours) ^ big(d.theirs)) & 0xffffffffffffffffn) === 0n,
  },
  {
    name: 'SSE operands in memory need not be aligned',
    clause: 'vol. 1, 11.7 and vol. 2, table 2-21: #GP(0) for a 128-bit memory operand that is not 16-byte aligned',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('SSE') && refused(ours, theirs, GP) && ours.error === 0,
  },
  {
    name: 'ENTER checks neither limits nor canonical addresses as the stack does',
    clause: 'vol. 2, ENTER: #SS(0) if the new SP is outside of the stack segment limit or in a non-canonical form',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('ENTER') && refused(ours, theirs, SS) && ours.error === 0,
  },
  {
    name: 'CMPS reads its second operand first',
    clause: 'vol. 2, CMPS: temp ← SRC1 - SRC2: no order of the two reads is given',
    excuses: (d, c, ours) => d.field === 'cr2' && c.tags.has('strings') && ours.vector === 14,
  },
  {
    name: 'CMPXCHG8B destroys the flags of the instruction before it',
    clause: 'vol. 2, CMPXCHG8B: CF, PF, AF, SF, and OF are unaffected',
    excuses: (d, c) => c.tags.has('CMPXCHG8B') && d.field !== 'end',
  },
  {
    name: 'PUNPCKL with an MMX register reads 64 bits',
    clause: 'vol. 2, PUNPCKLBW: mm, mm/m32',
    excuses: (d, c) => c.tags.has('SSE') && inTable(d.field, L.PT, 0x1000) && d.ours === 'as before' && (big(d.theirs) & 0x60n) === 0x20n,
  },
  {
    name: 'SYSCALL clears the RPL of SS',
    clause: 'vol. 2, SYSCALL: CS.Selector ← IA32_STAR[47:32] AND FFFCH; SS.Selector ← IA32_STAR[47:32] + 8',
    excuses: (d, c) =>
      c.tags.has('SYSCALL') &&
      is64(c) &&
      (d.field === 'ss' || d.field.startsWith('frame') || d.field.startsWith('[')) &&
      (big(d.ours) & 0xfffcn) === big(d.theirs),
  },
  {
    name: 'what XSAVE stores and XRSTOR loads',
    clause: "vol. 1, 13.6 to 13.8: XINUSE and reserved bytes are the processor's own, MXCSR goes with AVX, too; the faults are compared",
    excuses: (d, c) => c.kind === 'extended states' && d.field !== 'end',
  },
  {
    name: 'XSAVE and XRSTOR ignore CR0.TS',
    clause: 'vol. 1, 13.5.1, and vol. 2, XSAVE: #NM if CR0.TS[bit 3] = 1',
    excuses: (d, c, ours) => d.field === 'end' && c.kind === 'extended states' && (c.cr0 & 8) !== 0 && ours.vector === 7,
  },
  {
    name: 'XRSTOR takes an MXCSR with reserved bits when it initialises SSE',
    clause: 'vol. 1, 13.8.1: the standard form loads MXCSR from memory if RFBM[1] or RFBM[2] is set, whatever XSTATE_BV says',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('MXCSR reserved') && refused(ours, theirs, GP),
  },
  {
    name: 'data that a port without a device gives',
    clause: 'the boards differ: nothing about it in the manual',
    excuses: (d, c) => c.tags.has('ins') && inTable(d.field, L.DATA - 16, 0x1000),
  },
  {
    name: 'the I/O permission of a repeated string instruction is checked though its count is 0',
    clause: 'vol. 2, REP: WHILE CountReg ≠ 0: nothing is executed, so nothing is checked',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('no count') && ours.vector === BP && theirs.vector === GP,
  },
];

const VIF_VIP = 0x180000n;
const STALE = 'VIF and VIP, once set by an IRET that wrongly went to virtual-8086 mode, stay set';

/** The difference without VIF and VIP where these are QEMU's alone; undefined when nothing else differs. */
function withoutStale(d: Difference): Difference | undefined {
  if (d.field === 'end' || d.theirs === 'as before') return d;
  // What was there before has neither.
  if (d.ours === 'as before' && (big(d.theirs) & VIF_VIP) !== 0n) return undefined;
  let theirs = big(d.theirs);
  for (const shifted of [VIF_VIP, VIF_VIP << 32n, VIF_VIP >> 16n]) {
    if (((theirs ^ big(d.ours)) & shifted) !== 0n && (big(d.ours) & shifted) === 0n) theirs &= ~shifted;
  }
  const text = theirs.toString(16);
  if (text === d.theirs) return d;
  return theirs === big(d.ours) ? undefined : { ...d, theirs: text };
}

/** Names of the entries that excuse some of the differences, and the differences that none does. */
export function excuse(c: Case, ours: Result, theirs: Result, list: readonly Difference[]): { reasons: Set<string>; rest: Difference[] } {
  const reasons = new Set<string>();
  const stale = (theirs.u32(L.SAVE.FLAGS) & ~ours.u32(L.SAVE.FLAGS) & Number(VIF_VIP)) !== 0;
  const left = stale ? list.map(withoutStale).filter((d) => d !== undefined) : list;
  if (stale) reasons.add(STALE);
  const rest = left.filter((difference) => {
    const entry = KNOWN.find((e) => e.excuses(difference, c, ours, theirs));
    if (entry !== undefined) reasons.add(entry.name);
    return entry === undefined;
  });
  return { reasons, rest };
}
