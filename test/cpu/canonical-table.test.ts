/**
 * Addresses that are not canonical: #SS(0) where the stack segment is implied (RSP or RBP as base, pushes and pops), #GP(0) everywhere else (SDM vol. 1,
 * 3.3.7.1; vol. 3, 6.15, interrupts 12 and 13), for every kind of memory operand, with 48 and with 57 bits; and branches to such addresses.
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_FEATURES } from '../../vmm/cpu/cpuid.ts';
import { CODE, HANDLERS, INNER_STACK, Machine, REG, TSS, USER_CODE, USER_STACK } from './model/machine.ts';

const GP = 13;
const SS = 12;
const PF = 14;

/** Mandatory prefix, opcode, ModRM.reg, bytes of the operand, REX.W, immediate. 0 bytes: the operand is not accessed. */
type Operand = readonly [name: string, prefix: string, opcode: string, reg: number, size: number, wide?: boolean, immediate?: string];

const OPERANDS: readonly Operand[] = [
  ['MOV r8', '', '8a', 0, 1],
  ['MOV m8', '', '88', 0, 1],
  ['MOV r16', '66', '8b', 0, 2],
  ['MOV r32', '', '8b', 0, 4],
  ['MOV m32', '', '89', 0, 4],
  ['MOV r64', '', '8b', 0, 8, true],
  ['MOV m64', '', '89', 0, 8, true],
  ['MOV m8, imm', '', 'c6', 0, 1, false, '55'],
  ['ADD m8', '', '00', 0, 1],
  ['ADD m64', '', '01', 0, 8, true],
  ['CMP r32', '', '3b', 0, 4],
  ['TEST m8, imm', '', 'f6', 0, 1, false, '55'],
  ['NEG m32', '', 'f7', 3, 4],
  ['MUL m64', '', 'f7', 4, 8, true],
  ['DIV m32', '', 'f7', 6, 4],
  ['INC m16', '66', 'ff', 0, 2],
  ['LOCK ADD', 'f0', '01', 0, 4],
  ['XCHG', '', '87', 0, 4],
  ['XADD', '', '0f c1', 0, 4],
  ['CMPXCHG', '', '0f b1', 0, 4],
  ['CMPXCHG8B', '', '0f c7', 1, 8],
  ['CMPXCHG16B', '', '0f c7', 1, 16, true],
  ['POP m64', '', '8f', 0, 8],
  ['PUSH m64', '', 'ff', 6, 8],
  ['CALL m64', '', 'ff', 2, 8],
  ['JMP m64', '', 'ff', 4, 8],
  ['CALL far', '', 'ff', 3, 6],
  ['JMP far', '', 'ff', 5, 6],
  ['MOVSXD', '', '63', 0, 4, true],
  ['MOVZX', '', '0f b6', 0, 1],
  ['BT', '', '0f a3', 0, 4],
  ['BTS', '', '0f ab', 0, 4],
  ['BT imm', '', '0f ba', 4, 4, false, '05'],
  ['SETZ', '', '0f 94', 0, 1],
  ['CMOVNZ', '', '0f 45', 0, 4],
  ['IMUL', '', '0f af', 0, 4],
  ['SHL m32', '', 'd1', 4, 4],
  ['SHLD', '', '0f a4', 0, 4, false, '05'],
  ['BSF', '', '0f bc', 0, 4],
  ['POPCNT', 'f3', '0f b8', 0, 4],
  ['MOVNTI', '', '0f c3', 0, 4],
  ['FADD m32', '', 'd8', 0, 4],
  ['FLD m64', '', 'dd', 0, 8],
  ['FLD m80', '', 'db', 5, 10],
  ['FSTP m80', '', 'db', 7, 10],
  ['FILD m64', '', 'df', 5, 8],
  ['FBLD', '', 'df', 4, 10],
  ['FLDCW', '', 'd9', 5, 2],
  ['FNSTCW', '', 'd9', 7, 2],
  ['FNSTSW', '', 'dd', 7, 2],
  ['FNSTENV', '', 'd9', 6, 28],
  ['FLDENV', '', 'd9', 4, 28],
  ['FNSAVE', '', 'dd', 6, 108],
  ['FRSTOR', '', 'dd', 4, 108],
  ['MOVQ mm', '', '0f 6f', 0, 8],
  ['MOVQ m64', '', '0f 7f', 0, 8],
  ['MOVDQA', '66', '0f 6f', 0, 16],
  ['MOVDQU', 'f3', '0f 6f', 0, 16],
  ['MOVUPS m128', '', '0f 11', 0, 16],
  ['MOVAPS', '', '0f 28', 0, 16],
  ['MOVSS', 'f3', '0f 10', 0, 4],
  ['MOVSD', 'f2', '0f 10', 0, 8],
  ['MOVLPS', '', '0f 12', 0, 8],
  ['MOVNTPS', '', '0f 2b', 0, 16],
  ['ADDPS', '', '0f 58', 0, 16],
  ['CVTSI2SD', 'f2', '0f 2a', 0, 4],
  ['PINSRW', '66', '0f c4', 0, 2, false, '01'],
  ['PSHUFB', '66', '0f 38 00', 0, 16],
  ['FXSAVE', '', '0f ae', 0, 512],
  ['FXRSTOR', '', '0f ae', 1, 512],
  ['LDMXCSR', '', '0f ae', 2, 4],
  ['STMXCSR', '', '0f ae', 3, 4],
  ['CLFLUSH', '', '0f ae', 7, 1],
  ['LAR', '', '0f 02', 0, 2],
  ['LSL', '', '0f 03', 0, 2],
  ['VERR', '', '0f 00', 4, 2],
  ['MOV ES', '', '8e', 0, 2],
  ['MOV m16, ES', '', '8c', 0, 2],
  ['LSS', '', '0f b2', 0, 6],
  ['LGS', '', '0f b5', 0, 6],
  ['LEA', '', '8d', 0, 0],
  ['PREFETCHT0', '', '0f 18', 1, 0],
  ['NOP', '', '0f 1f', 0, 0],
];

/** For level 0. */
const PRIVILEGED: readonly Operand[] = [
  ['SGDT', '', '0f 01', 0, 10],
  ['SIDT', '', '0f 01', 1, 10],
  ['LGDT', '', '0f 01', 2, 10],
  ['LIDT', '', '0f 01', 3, 10],
  ['SMSW', '', '0f 01', 4, 2],
  ['LMSW', '', '0f 01', 6, 2],
  ['SLDT', '', '0f 00', 0, 2],
  ['STR', '', '0f 00', 1, 2],
  ['LLDT', '', '0f 00', 2, 2],
  ['LTR', '', '0f 00', 3, 2],
  // It has no effect then.
  ['INVLPG', '', '0f 01', 7, 0],
];

interface Form {
  readonly name: string;
  readonly stack: boolean;
  readonly segment: string;
  /** REX bits beside W: 1 = B, 2 = X. */
  readonly rex: number;
  /** ModRM without reg, SIB, displacement. */
  readonly mod: number;
  readonly rest: string;
  /** The register that holds the address; other parts are 0. */
  readonly register: number;
}

const FORMS: readonly Form[] = [
  { name: '[RBX]', stack: false, segment: '', rex: 0, mod: 0x03, rest: '', register: REG.bx },
  { name: '[RBP]', stack: true, segment: '', rex: 0, mod: 0x45, rest: '00', register: REG.bp },
  { name: '[RSP]', stack: true, segment: '', rex: 0, mod: 0x04, rest: '24', register: REG.sp },
  { name: '[RBX + RBP]', stack: false, segment: '', rex: 0, mod: 0x04, rest: '2b', register: REG.bp },
  { name: '[RBP + RBX]', stack: true, segment: '', rex: 0, mod: 0x44, rest: '1d 00', register: REG.bx },
  { name: '[RSP + RSI]', stack: true, segment: '', rex: 0, mod: 0x04, rest: '34', register: REG.si },
  { name: '[R12]', stack: false, segment: '', rex: 1, mod: 0x04, rest: '24', register: 12 },
  { name: '[R13]', stack: false, segment: '', rex: 1, mod: 0x45, rest: '00', register: 13 },
  { name: '[RSI * 8, no base]', stack: false, segment: '', rex: 0, mod: 0x04, rest: '35 00 00 00 00', register: REG.si },
  { name: 'FS:[RBP]', stack: false, segment: '64', rex: 0, mod: 0x45, rest: '00', register: REG.bp },
  { name: 'GS:[RSP]', stack: false, segment: '65', rex: 0, mod: 0x04, rest: '24', register: REG.sp },
  // Overrides of the other segments mean nothing in 64-bit mode.
  { name: 'DS:[RBP]', stack: true, segment: '3e', rex: 0, mod: 0x45, rest: '00', register: REG.bp },
  { name: 'SS:[RBX]', stack: false, segment: '36', rex: 0, mod: 0x03, rest: '', register: REG.bx },
];

const byte = (n: number): string => n.toString(16).padStart(2, '0');

function encode([, prefix, opcode, reg, , wide, immediate]: Operand, form: Form): string {
  const rex = (wide === true ? 8 : 0) | form.rex;
  return `${form.segment} ${prefix} ${rex === 0 ? '' : byte(0x40 | rex)} ${opcode} ${byte(form.mod | (reg << 3))} ${form.rest} ${immediate ?? ''} 90`;
}

/** Addresses in terms of the width: far off, at both edges, and so that only the last byte is beyond. */
function addresses(bits: number, size: number): [bigint, boolean][] {
  const edge = 1n << BigInt(bits - 1);
  const negative = BigInt.asUintN(64, -edge);
  const s = BigInt(size);
  const out: [bigint, boolean][] = [
    [edge, true],
    [0x1234n << 48n, true],
    [negative - 1n, size > 0],
    [negative - (s > 16n ? 4096n : 16n), true],
    [edge - (s > 16n ? 4096n : 16n), s > 16n && s > 4096n],
  ];
  // Far pointers and table registers are two accesses in any order.
  if (size > 1 && size <= 8 && size !== 6) {
    out.push([edge - s + 1n, true], [edge - s, false]);
  }
  return out;
}

/** Aligned, where alignment is asked for. */
const ALIGNED = new Set(['CMPXCHG16B', 'MOVDQA', 'MOVAPS', 'MOVNTPS', 'ADDPS', 'PSHUFB', 'FXSAVE', 'FXRSTOR']);

const WIDTHS = [['long', 48], ...(CORE_FEATURES.includes('la57') ? [['long5', 57] as const] : [])] as const;

for (const [mode, bits] of WIDTHS) {
  for (const [what, operands, cpl] of [
    ['every operand', OPERANDS, 3],
    ['operands of level 0', PRIVILEGED, 0],
  ] as const) {
    test(`canonical addresses: ${what}, ${bits} bits`, () => {
      const m = new Machine();
      let cases = 0;
      const problems: string[] = [];
      for (const operand of operands) {
        const [name, , , , size] = operand;
        for (const form of FORMS) {
          // Level 0 has no other stack to tell of a bad RSP.
          if (cpl === 0 && (form.register === REG.sp || form.name.startsWith('[RSP'))) continue;
          // A pop from the same bad place.
          if (name === 'POP m64' && form.name.includes('[RSP')) continue;
          m.enter(mode, cpl);
          const at = cpl === 3 ? USER_CODE : CODE;
          m.put(at, encode(operand, form));
          m.put64(TSS + 4, BigInt(INNER_STACK));
          if (cpl === 3) m.set('REGS', USER_STACK - 0x200, REG.sp);
          m.settle();
          const start = m.save();
          for (const [address, bad] of addresses(bits, size)) {
            if (ALIGNED.has(name) && (address & 15n) !== 0n) continue;
            m.load(start);
            if (form.name.startsWith('[RSP +')) m.set('REGS', 0, REG.sp);
            // A base that implies the stack needs none of its own: the index has it all.
            m.set('REGS', address, form.register);
            m.settle();
            m.run(1);
            cases++;
            const found = m.get('RIP') >= HANDLERS && m.get('RIP') < HANDLERS + 0x1000 ? (m.get('RIP') - HANDLERS) >> 4 : undefined;
            const wanted = size === 0 ? undefined : bad ? (form.stack ? SS : GP) : PF;
            const error = found === SS || found === GP ? m.read32(m.sp) : 0;
            if (found !== wanted || error !== 0)
              problems.push(`${name} ${form.name} at ${address.toString(16)}: ${found} (${error.toString(16)}), not ${wanted}`);
          }
        }
      }
      process.stdout.write(`${cases} cases\n`);
      assert.equal(problems.slice(0, 20), []);
    });
  }

  test(`canonical addresses: implied operands and branches, ${bits} bits`, () => {
    const bad = 1n << BigInt(bits - 1);
    const good = BigInt(USER_STACK - 0x400);
    const m = new Machine();
    // Code, registers, memory at `good`, vector.
    const cases: readonly [string, string, Partial<Record<number, bigint>>, bigint, number][] = [
      ['PUSH', '50', { 4: bad + 8n }, 0n, SS],
      ['PUSH whose end is beyond', '50', { 4: bad + 4n }, 0n, SS],
      ['POP', '58', { 4: bad }, 0n, SS],
      ['POP whose end is beyond', '58', { 4: bad - 4n }, 0n, SS],
      ['PUSHF', '9c', { 4: bad + 8n }, 0n, SS],
      ['POPF', '9d', { 4: bad }, 0n, SS],
      ['CALL', 'e8 00 00 00 00', { 4: bad + 4n }, 0n, SS],
      ['RET', 'c3', { 4: bad }, 0n, SS],
      ['RETF', 'cb', { 4: bad }, 0n, SS],
      ['IRETQ', '48 cf', { 4: bad }, 0n, SS],
      ['ENTER', 'c8 10 00 00', { 4: bad + 4n }, 0n, SS],
      ['LEAVE', 'c9', { 5: bad }, 0n, SS],
      ['LODS', 'ac', { 6: bad }, 0n, GP],
      ['STOS', 'aa', { 7: bad }, 0n, GP],
      ['SCAS', 'ae', { 7: bad }, 0n, GP],
      ['MOVS from', 'a4', { 6: bad, 7: good }, 0n, GP],
      ['MOVS to', 'a4', { 6: good, 7: bad }, 0n, GP],
      ['CMPS', 'a6', { 6: good, 7: bad }, 0n, GP],
      ['REP STOS', 'f3 aa', { 7: bad, 1: 5n }, 0n, GP],
      ['XLAT', 'd7', { 3: bad }, 0n, GP],
      ['MOV AL, moffs', `a0 ${[...Array(8).keys()].map((i) => byte(Number((bad >> BigInt(8 * i)) & 0xffn))).join(' ')}`, {}, 0n, GP],
      ['JMP', 'ff e3', { 3: bad }, 0n, GP],
      ['CALL to', 'ff d3', { 3: bad, 4: good }, 0n, GP],
      ['JMP through memory', 'ff 23', { 3: good }, bad, GP],
      ['CALL through memory', 'ff 13', { 3: good }, bad, GP],
      ['RET to', 'c3', { 4: good }, bad, GP],
      ['RETF to', '48 cb', { 4: good }, bad, GP],
      ['IRETQ to', '48 cf', { 4: good }, bad, GP],
    ];
    for (const [name, code, registers, memory, wanted] of cases) {
      m.enter(mode, 3);
      m.put(USER_CODE, `${code} 90`);
      for (const [r, value] of Object.entries(registers)) m.set('REGS', value as bigint, Number(r));
      m.put64(Number(good), memory);
      m.put64(Number(good) + 8, 0x2bn);
      m.put64(Number(good) + 16, 2n);
      m.put64(Number(good) + 24, good);
      m.put64(Number(good) + 32, 0x23n);
      m.settle();
      m.run(1);
      const found = m.get('RIP') >= HANDLERS && m.get('RIP') < HANDLERS + 0x1000 ? (m.get('RIP') - HANDLERS) >> 4 : undefined;
      assert.is(found, wanted, name);
      assert.equal([m.read32(m.sp), m.read32(m.sp + 8)], [0, USER_CODE], `${name}: error code and return address`);
      assert.is(m.read64(m.sp + 32), registers[4] ?? BigInt(USER_STACK), `${name}: RSP`);
    }
    // One bit less is canonical: what follows is a page fault.
    m.enter(mode, 3);
    m.put(USER_CODE, '8a 03 90');
    m.set('REGS', bad - 1n, REG.bx);
    m.settle();
    assert.is(m.vector(), PF);
  });
}
test.run();
