/**
 * Writes the interpreter's dense switch (`vmm/cpu/core/interp.gen.ts`) and the micro-op numbers (`uop.gen.ts`) from one table.
 *
 * Families that differ only by operation, operand form or size are spelled out here once; everything rare is a call of a function of
 * `operations.ts`. The numbers of a family are consecutive, so the decoder computes them: ALU + (operation * 5 + form) * 4 + size.
 */
import { writeFileSync } from 'node:fs';

const cases: { name: string; body: string; slow?: string }[] = [];
const bases: [string, number][] = [];
/** A micro-op without a memory operand of its own. */
function op(name: string, body: string): void {
  cases.push({ name, body });
}

/**
 * How a micro-op reaches memory. In the fast switch a TLB miss just leaves the switch, so nothing has to be kept across a call; the TLB is
 * refilled and the micro-op runs again. Where that cannot help (two pages, a device) it runs once in the slow switch.
 */
interface Memory {
  readonly fast: boolean;
  /** Leaves `h`, the host address of the operand. */
  read(bits: Bits, ea?: string): string;
  write(bits: Bits, ea?: string): string;
  modify(bits: Bits, ea?: string): string;
  /** After the store to `h`. */
  readonly stored: string;
  readonly next: string;
  readonly fail: string;
  /** Goes to rip-space address \`t\`. */
  readonly goTo: string;
}
/** A micro-op with a memory operand or stack access. */
function memoryOp(name: string, body: (m: Memory) => string): void {
  cases.push({ name, body: body(FAST), slow: body(SLOW) });
}
function base(name: string): void {
  bases.push([name, cases.length]);
}

type Bits = 8 | 16 | 32 | 64 | 128 | 256;
const SIZES: Bits[] = [8, 16, 32, 64];

const reg = (bits: Bits, at: number) => `<i64>load<i${bits}>(cpu + load<u8>(pc, ${at}))`;
const setReg = (bits: Bits, at: number, v: string) =>
  bits === 32
    ? `store<u64>(cpu + load<u8>(pc, ${at}), <u64><u32>(${v}));`
    : `store<u${bits}>(cpu + load<u8>(pc, ${at}), <u${bits}>(${v}));`;
const sx = (bits: Bits, v: string) => (bits === 64 ? `(${v})` : `<i64><i${bits}>(${v})`);
/** Effective address of the micro-op's memory operand, in \`lin\`. */
const ea = (bits: number, write: 0 | 1) =>
  `const f = <u32>load<u8>(pc, 7); let lin = load<u64>(cpu + load<u8>(pc, 5)) + (load<u64>(cpu + load<u8>(pc, 6)) << <u64>(f & 3)) + <u64><i64>load<i32>(pc, 8);
      if (f & 4) lin = eaFix(cpu, lin, f, ${bits / 8}, ${write});`;
/** The same when it is a base and a displacement. */
const eaSimple = 'const lin = load<u64>(cpu + load<u8>(pc, 5)) + <u64><i64>load<i32>(pc, 8);';
const STACK_EA = 'const lin = sp; const f: u32 = 0x10;';

const probe = (bits: Bits, tag: number, stack: string) =>
  `const e = load<u32>(cpu, TLB_NOW) + ((<u32>(lin >> 12) & 1023) << 5);
      if (load<u64>(e${tag ? `, ${tag}` : ''}) != (${bits === 8 ? 'lin' : `(lin + ${bits / 8 - 1})`} & ~0xfff)) { missed = lin; miss = ${(bits / 8) | (tag ? 0x100 : 0)}${stack}; break; }
      const h = <usize>(<u32>lin + load<u32>(e, 16));`;
const inFast =
  (tag: number) =>
  (bits: Bits, at = ea(bits, tag ? 1 : 0)) =>
    `${at} ${probe(bits, tag, at === eaSimple ? ' | ((load<u8>(pc, 7) & 0x38) == 0x10 ? 0x200 : 0)' : at === STACK_EA ? ' | 0x200' : ' | ((f & 0x38) == 0x10 ? 0x200 : 0)')}`;
const FAST: Memory = {
  fast: true,
  read: inFast(0),
  write: inFast(8),
  modify: inFast(8),
  stored: '',
  next: 'pc += 16; continue;',
  fail: 'break;',
  goTo: '{ const rest = left - <i32>((pc - start) >> 4) - 1; const u = jump(cpu, t, rest); if (u == 0) return; left = rest; pc = u; start = u; continue; }',
};
const slowAccess =
  (how: string) =>
  (bits: Bits, at = ea(bits, how === 'read' ? 0 : 1)) =>
    `${at === eaSimple ? ea(bits, how === 'read' ? 0 : 1) : at} const h = ${how}At(cpu, lin, ${bits / 8}, f); if (h == 0) return 0;`;
const SLOW: Memory = {
  fast: false,
  read: slowAccess('read'),
  write: slowAccess('write'),
  modify: slowAccess('modify'),
  stored: 'if (h < RAM_BASE) { if (!commit(cpu)) return 0; }',
  next: 'return 1;',
  fail: 'return 0;',
  goTo: 'store<u64>(cpu, t, RIP); return 2;',
};
const nextOp = 'pc += 16; continue;';
const flags3 = (kind: string, res: string, a: string, b: string) =>
  `store<u32>(cpu, ${kind}, FLAG_OP); store<i64>(cpu, ${res}, FLAG_RES); store<i64>(cpu, ${a}, FLAG_A); store<i64>(cpu, ${b}, FLAG_B);`;
const flagsLogic = (res: string) => `store<u32>(cpu, FLAGS_LOGIC, FLAG_OP); store<i64>(cpu, ${res}, FLAG_RES);`;

const ALU = ['ADD', 'OR', 'ADC', 'SBB', 'AND', 'SUB', 'XOR', 'CMP'];
/** Text computing `r` from `a` and `b`, and the flags. */
function alu(name: string, bits: Bits): { compute: string; flags: string } {
  switch (name) {
    case 'ADD':
      return { compute: `const r = ${sx(bits, 'a + b')};`, flags: flags3('FLAGS_ADD', 'r', 'a', 'b') };
    case 'SUB':
    case 'CMP':
      return { compute: `const r = ${sx(bits, 'a - b')};`, flags: flags3('FLAGS_SUB', 'r', 'a', 'b') };
    case 'ADC':
      return { compute: `const c = getCF(cpu); const r = ${sx(bits, 'a + b + <i64>c')};`, flags: flags3('FLAGS_ADD + c', 'r', 'a', 'b') };
    case 'SBB':
      return { compute: `const c = getCF(cpu); const r = ${sx(bits, 'a - b - <i64>c')};`, flags: flags3('FLAGS_SUB + c', 'r', 'a', 'b') };
    default: {
      const o = name === 'OR' ? '|' : name === 'AND' ? '&' : '^';
      return { compute: `const r = a ${o} b;`, flags: flagsLogic('r') };
    }
  }
}
const imm = '<i64>load<i32>(pc, 12)';

base('ALU');
for (const name of ALU) {
  const keep = name !== 'CMP';
  for (const form of ['RR', 'RM', 'MR', 'RI', 'MI']) {
    for (const bits of SIZES) {
      const { compute, flags } = alu(name, bits);
      const full = `${name}_${form}_${bits}`;
      if (form === 'RR' || form === 'RI') {
        op(
          full,
          `const a = ${reg(bits, 4)}; const b = ${form === 'RR' ? reg(bits, 5) : imm}; ${compute} ${flags} ${keep ? setReg(bits, 4, 'r') : ''} ${nextOp}`,
        );
      } else if (form === 'RM') {
        memoryOp(
          full,
          (m) =>
            `${m.read(bits)} const a = ${reg(bits, 4)}; const b = <i64>load<i${bits}>(h); ${compute} ${flags} ${keep ? setReg(bits, 4, 'r') : ''} ${m.next}`,
        );
      } else {
        const b = form === 'MR' ? reg(bits, 4) : imm;
        memoryOp(full, (m) =>
          keep
            ? `${m.modify(bits)} const a = <i64>load<i${bits}>(h); const b = ${b}; ${compute} store<u${bits}>(h, <u${bits}>r); ${m.stored} ${flags} ${m.next}`
            : `${m.read(bits)} const a = <i64>load<i${bits}>(h); const b = ${b}; ${compute} ${flags} ${m.next}`,
        );
      }
    }
  }
}

base('TEST');
for (const form of ['RR', 'MR', 'RI', 'MI']) {
  for (const bits of SIZES) {
    const b = form.endsWith('I') ? imm : reg(bits, 4);
    const bb = form === 'RI' ? imm : form === 'RR' ? reg(bits, 5) : b;
    const full = `TEST_${form}_${bits}`;
    if (form.startsWith('R')) op(full, `const r = ${reg(bits, 4)} & ${bb}; ${flagsLogic('r')} ${nextOp}`);
    else memoryOp(full, (m) => `${m.read(bits)} const r = <i64>load<i${bits}>(h) & ${b}; ${flagsLogic('r')} ${m.next}`);
  }
}

base('MOV');
for (const form of ['RR', 'RM', 'MR', 'RI', 'MI']) {
  for (const bits of SIZES) {
    const full = `MOV_${form}_${bits}`;
    const v = form === 'MI' ? `<u${bits}>load<i32>(pc, 12)` : `load<u${bits}>(cpu + load<u8>(pc, 4))`;
    if (form === 'RR') op(full, `${setReg(bits, 4, `load<u${bits}>(cpu + load<u8>(pc, 5))`)} ${nextOp}`);
    else if (form === 'RI') op(full, `${setReg(bits, 4, bits === 64 ? '<i64>load<i32>(pc, 12)' : 'load<u32>(pc, 12)')} ${nextOp}`);
    else if (form === 'RM') memoryOp(full, (m) => `${m.read(bits)} ${setReg(bits, 4, `load<u${bits}>(h)`)} ${m.next}`);
    else memoryOp(full, (m) => `${m.write(bits)} store<u${bits}>(h, ${v}); ${m.stored} ${m.next}`);
  }
}
op('MOVABS', `store<u64>(cpu + load<u8>(pc, 4), load<u64>(pc, 8)); ${nextOp}`);
// (asc folds <u64><u32>load<i32> into a sign-extending load, so what is zero-extended must be loaded unsigned.)
// Sign and zero extension: source bits, destination bits.
base('MOVX');
for (const [name, from, to] of [
  ['MOVZX', 8, 16],
  ['MOVZX', 8, 32],
  ['MOVZX', 16, 32],
  ['MOVSX', 8, 16],
  ['MOVSX', 8, 32],
  ['MOVSX', 8, 64],
  ['MOVSX', 16, 32],
  ['MOVSX', 16, 64],
  ['MOVSX', 32, 64],
] as [string, Bits, Bits][]) {
  const t = name === 'MOVZX' ? `u${from}` : `i${from}`;
  op(`${name}_R_${from}_${to}`, `${setReg(to, 4, `<i64>load<${t}>(cpu + load<u8>(pc, 5))`)} ${nextOp}`);
  memoryOp(`${name}_M_${from}_${to}`, (m) => `${m.read(from)} ${setReg(to, 4, `<i64>load<${t}>(h)`)} ${m.next}`);
}
base('LEA');
for (const bits of [16, 32, 64] as Bits[]) {
  op(
    `LEA_${bits}`,
    `const f = <u32>load<u8>(pc, 7); let lin = load<u64>(cpu + load<u8>(pc, 5)) + (load<u64>(cpu + load<u8>(pc, 6)) << <u64>(f & 3)) + <u64><i64>load<i32>(pc, 8);
      if (f & 0xc0) lin &= f & 0x80 ? 0xffff : 0xffffffff;
      ${setReg(bits, 4, 'lin')} ${nextOp}`,
  );
}

// Unary on registers of 32 and 64 bits, the rest by function.
for (const bits of [32, 64] as Bits[]) {
  const bitsFlags = (of: string, af: string) =>
    `const c = getCF(cpu); store<u32>(cpu, FLAGS_BITS, FLAG_OP); store<i64>(cpu, r, FLAG_RES); store<u64>(cpu, <u64>(c | (u32(${of}) << 11) | (u32(${af}) << 4)), FLAG_A);`;
  const min = bits === 64 ? 'i64.MIN_VALUE' : '<i64>i32.MIN_VALUE';
  const max = bits === 64 ? 'i64.MAX_VALUE' : '<i64>i32.MAX_VALUE';
  op(
    `INC_R_${bits}`,
    `const a = ${reg(bits, 4)}; const r = ${sx(bits, 'a + 1')}; ${bitsFlags(`r == ${min}`, '(r & 15) == 0')} ${setReg(bits, 4, 'r')} ${nextOp}`,
  );
  op(
    `DEC_R_${bits}`,
    `const a = ${reg(bits, 4)}; const r = ${sx(bits, 'a - 1')}; ${bitsFlags(`r == ${max}`, '(a & 15) == 0')} ${setReg(bits, 4, 'r')} ${nextOp}`,
  );
  op(
    `NEG_R_${bits}`,
    `const a = ${reg(bits, 4)}; const r = ${sx(bits, '0 - a')}; ${flags3('FLAGS_SUB', 'r', '<i64>0', 'a')} ${setReg(bits, 4, 'r')} ${nextOp}`,
  );
  op(`NOT_R_${bits}`, `${setReg(bits, 4, `~(${reg(bits, 4)})`)} ${nextOp}`);
  // Shifts by an immediate that is not 0 (masked by the decoder). CF is the last bit out; OF by SDM's rule for 1, taken for all counts; AF clear.
  const u = `<u64>load<u${bits}>(cpu + load<u8>(pc, 4))`;
  const shiftFlags = (cf: string, of: string) =>
    `store<u32>(cpu, FLAGS_BITS, FLAG_OP); store<i64>(cpu, r, FLAG_RES); store<u64>(cpu, (${cf}) | ((${of}) << 11), FLAG_A);`;
  op(
    `SHL_RI_${bits}`,
    `const n = <u64>load<u8>(pc, 12); const a = ${u}; const r = ${sx(bits, '<i64>(a << n)')}; const cf = (a >> (${bits} - n)) & 1; ${shiftFlags('cf', 'cf ^ (<u64>r >> 63)')} ${setReg(bits, 4, 'r')} ${nextOp}`,
  );
  op(
    `SHR_RI_${bits}`,
    `const n = <u64>load<u8>(pc, 12); const a = ${u}; const r = ${sx(bits, '<i64>(a >> n)')}; ${shiftFlags('(a >> (n - 1)) & 1', `(a >> ${bits - 1}) & 1`)} ${setReg(bits, 4, 'r')} ${nextOp}`,
  );
  op(
    `SAR_RI_${bits}`,
    `const n = <i64>load<u8>(pc, 12); const a = ${reg(bits, 4)}; const r = a >> n; ${shiftFlags('<u64>(a >> (n - 1)) & 1', '<u64>0')} ${setReg(bits, 4, 'r')} ${nextOp}`,
  );
  // Rotates by an immediate change CF and OF alone.
  op(
    `ROL_RI_${bits}`,
    `const n = <u${bits}>load<u8>(pc, 12); const r = rotl<u${bits}>(load<u${bits}>(cpu + load<u8>(pc, 4)), n); setCarries(cpu, CF | OF, (<u32>r & 1) | (((<u32>r ^ <u32>(r >> ${bits - 1})) & 1) << 11)); ${setReg(bits, 4, '<u64>r')} ${nextOp}`,
  );
  op(
    `ROR_RI_${bits}`,
    `const n = <u${bits}>load<u8>(pc, 12); const r = rotr<u${bits}>(load<u${bits}>(cpu + load<u8>(pc, 4)), n); setCarries(cpu, CF | OF, <u32>(r >> ${bits - 1}) | (<u32>((r >> ${bits - 1}) ^ (r >> ${bits - 2})) & 1) << 11); ${setReg(bits, 4, '<u64>r')} ${nextOp}`,
  );
  op(`IMUL_RR_${bits}`, `imul${bits}(cpu, load<u8>(pc, 4), ${reg(bits, 4)}, ${reg(bits, 5)}); ${nextOp}`);
  memoryOp(
    `IMUL_RM_${bits}`,
    (m) => `${m.read(bits)} imul${bits}(cpu, load<u8>(pc, 4), ${reg(bits, 4)}, <i64>load<i${bits}>(h)); ${m.next}`,
  );
  op(`IMUL_RRI_${bits}`, `imul${bits}(cpu, load<u8>(pc, 4), ${reg(bits, 5)}, ${imm}); ${nextOp}`);
  memoryOp(`IMUL_RMI_${bits}`, (m) => `${m.read(bits)} imul${bits}(cpu, load<u8>(pc, 4), <i64>load<i${bits}>(h), ${imm}); ${m.next}`);
  op(`BSWAP_${bits}`, `${setReg(bits, 4, `bswap<u${bits}>(load<u${bits}>(cpu + load<u8>(pc, 4)))`)} ${nextOp}`);
}

// Stack in 64-bit mode.
const down = 'const sp = load<u64>(cpu, 32) - 8;';
memoryOp(
  'PUSH_R',
  (m) => `${down} ${m.write(64, STACK_EA)} store<u64>(h, load<u64>(cpu + load<u8>(pc, 4))); ${m.stored} store<u64>(cpu, sp, 32); ${m.next}`,
);
memoryOp('PUSH_I', (m) => `${down} ${m.write(64, STACK_EA)} store<i64>(h, ${imm}); ${m.stored} store<u64>(cpu, sp, 32); ${m.next}`);
memoryOp(
  'PUSH_M',
  (m) =>
    `let v: u64 = 0; { ${m.read(64)} v = load<u64>(h); } ${down} ${m.write(64, STACK_EA)} store<u64>(h, v); ${m.stored} store<u64>(cpu, sp, 32); ${m.next}`,
);
memoryOp(
  'POP_R',
  (m) =>
    `const sp = load<u64>(cpu, 32); ${m.read(64, STACK_EA)} const v = load<u64>(h); store<u64>(cpu, sp + 8, 32); store<u64>(cpu + load<u8>(pc, 4), v); ${m.next}`,
);
memoryOp(
  'LEAVE',
  (m) => `const sp = load<u64>(cpu, 40); ${m.read(64, STACK_EA)} store<u64>(cpu, sp + 8, 32); store<u64>(cpu, load<u64>(h), 40); ${m.next}`,
);

// Branches. A local target lies in the same page: byte 8 links to its line once it is known.
const retire = 'const rest = left - <i32>((pc - start) >> 4) - 1;';
const goLocal = `{ ${retire} let t = <usize>load<u32>(pc, 8); if (t == 0 || rest <= MARGIN) { t = link(cpu, pc, rest); if (t == 0) return; } left = rest; pc = t; start = t; continue; }`;
const goFar = `{ ${retire} let t = load<u64>(cpu, RIP_BASE) + <u64><i64>load<i32>(pc, 12); if (load<u32>(cpu, MODE) != 2) { t = legacyTarget(cpu, t, load<u8>(pc, 6)); if (failed(cpu)) break; }
        const u = jump(cpu, t, rest); if (u == 0) return; left = rest; pc = u; start = u; continue; }`;
const cc = [
  'getOF(cpu) != 0',
  'getOF(cpu) == 0',
  'below(cpu)',
  '!below(cpu)',
  'getZF(cpu) != 0',
  'getZF(cpu) == 0',
  '(below(cpu) || getZF(cpu) != 0)',
  '!(below(cpu) || getZF(cpu) != 0)',
  'getSF(cpu) != 0',
  'getSF(cpu) == 0',
  'getPF(cpu) != 0',
  'getPF(cpu) == 0',
  'less(cpu)',
  '!less(cpu)',
  '(less(cpu) || getZF(cpu) != 0)',
  '!(less(cpu) || getZF(cpu) != 0)',
];
base('JCC_LOCAL');
for (let c = 0; c < 16; c++) op(`JCC_LOCAL_${c}`, `if (!(${cc[c]})) { ${nextOp} } ${goLocal}`);
base('JCC_FAR');
for (let c = 0; c < 16; c++) op(`JCC_FAR_${c}`, `if (!(${cc[c]})) { ${nextOp} } ${goFar}`);
op('JMP_LOCAL', goLocal);
op('JMP_FAR', goFar);
const pushReturn = (m: Memory) =>
  `${down} ${m.write(64, STACK_EA)} store<u64>(h, load<u64>(cpu, RIP_BASE) + nextOffset(pc)); ${m.stored} store<u64>(cpu, sp, 32);`;
const checked = (m: Memory) => `if (<u64>((<i64>(t << 16)) >> 16) != t && nonCanonical(cpu, t)) { ${m.fail} }`;
const relativeTarget = 'const t = load<u64>(cpu, RIP_BASE) + <u64><i64>load<i32>(pc, 12);';
memoryOp('CALL_LOCAL', (m) => (m.fast ? `${pushReturn(m)} ${goLocal}` : `${relativeTarget} ${pushReturn(m)} ${m.goTo}`));
memoryOp('CALL_FAR', (m) => `${relativeTarget} ${checked(m)} ${pushReturn(m)} ${m.goTo}`);
memoryOp(
  'RET',
  (m) =>
    `const sp = load<u64>(cpu, 32); ${m.read(64, STACK_EA)} const t = load<u64>(h); ${checked(m)} store<u64>(cpu, sp + 8 + <u64>load<u16>(pc, 12), 32); ${m.goTo}`,
);
op('JMP_R', `const t = load<u64>(cpu + load<u8>(pc, 5)); ${checked(FAST)} ${FAST.goTo}`);
memoryOp('JMP_M', (m) => `${m.read(64)} const t = load<u64>(h); ${checked(m)} ${m.goTo}`);
memoryOp('CALL_R', (m) => `const t = load<u64>(cpu + load<u8>(pc, 5)); ${checked(m)} ${pushReturn(m)} ${m.goTo}`);
memoryOp('CALL_M', (m) => `let t: u64 = 0; { ${m.read(64)} t = load<u64>(h); } ${checked(m)} ${pushReturn(m)} ${m.goTo}`);
// Near branches of 16- and 32-bit code, LOOP and JCXZ: the function stores RIP and says whether it branched.
op(
  'BRANCH_FN',
  `const r = branchFn(cpu, pc); if (r == 0) break; if (r == 1) { ${nextOp} } { const t = load<u64>(cpu, RIP); ${FAST.goTo} }`,
);
// The end of a line inside its page, and at the page's end: no instruction of their own.
op(
  'CHECK',
  `{ const rest = left - <i32>((pc - start) >> 4); let t = <usize>load<u32>(pc, 8); if (t == 0 || rest <= MARGIN) { t = link(cpu, pc, rest); if (t == 0) return; } left = rest; pc = t; start = t; continue; }`,
);
op(
  'PAGE_END',
  `{ const rest = left - <i32>((pc - start) >> 4); let t = load<u64>(cpu, RIP_BASE) + 4096; if (load<u32>(cpu, MODE) != 2) t &= 0xffffffff;
        const u = jump(cpu, t, rest); if (u == 0) return; left = rest; pc = u; start = u; continue; }`,
);
// After the one instruction of the step line.
op('STOP', `leave(cpu, load<u64>(cpu, RIP_BASE) + nextOffset(pc - 16), left - <i32>((pc - start) >> 4)); return;`);
// An instruction that crosses the page's end, or that could not be decoded here: run it alone.
op('ALONE', 'store<u32>(cpu, EXC_STEP, EXC); break;');
op('NOP', nextOp);
op('UD', 'raise(cpu, VEC_UD); break;');
op('GP', 'raiseError(cpu, VEC_GP, 0); break;');

for (const [name, fn] of [
  ['SHIFT', 'shiftFn'],
  ['UNARY', 'unaryFn'],
  ['MULDIV', 'mulDivFn'],
  ['BIT', 'bitFn'],
  ['SCAN', 'scanFn'],
  ['SHIFTD', 'shiftdFn'],
  ['XADD', 'xaddFn'],
  ['CMPXCHG', 'cmpxchgFn'],
  ['CMPXCHG8B', 'cmpxchg8bFn'],
  ['XCHG', 'xchgFn'],
  ['SETCC', 'setccFn'],
  ['CMOV', 'cmovFn'],
  ['PUSH_FN', 'pushFn'],
  ['POP_FN', 'popFn'],
  ['PUSHA', 'pushaFn'],
  ['POPA', 'popaFn'],
  ['ENTER', 'enterFn'],
  ['LEAVE_FN', 'leaveFn'],
  ['CONVERT', 'convertFn'],
  ['FLAG', 'flagFn'],
  ['BCD', 'bcdFn'],
  ['XLAT', 'xlatFn'],
  ['BOUND', 'boundFn'],
  ['IMUL16', 'imul16Fn'],
  ['SSE', 'sseFn'],
  ['AVX', 'avxFn'],
  ['BSWAP16', 'bswap16Fn'],
  ['MOFFS', 'moffsFn'],
  ['CRC32', 'crc32Fn'],
  ['MOVBE', 'movbeFn'],
  ['ADX', 'adxFn'],
  ['BMI', 'bmiFn'],
] as const) {
  op(name, `if (!${fn}(cpu, pc)) break; ${nextOp}`);
}
// x87 wants to know where it is; so does everything of the system.
op('X87', `here(cpu, pc, left - <i32>((pc - start) >> 4)); if (!x87Fn(cpu, pc)) return; ${nextOp}`);
op(
  'STRING',
  `here(cpu, pc, left - <i32>((pc - start) >> 4)); const n = stringFn(cpu, pc, left - <i32>((pc - start) >> 4));
      // n iterations were retired; bit 31: the instruction is complete.
      if (n < 0) {
        left -= (n & 0x7fffffff) - 1;
        const rest = left - <i32>((pc - start) >> 4) - 1;
        // The iterations may have used up what the rest of the line was promised.
        if (rest <= MARGIN) { leave(cpu, load<u64>(cpu, NEXT_RIP), rest); return; }
        ${nextOp}
      }
      left -= n + <i32>((pc - start) >> 4);
      if (failed(cpu) || left <= MARGIN || load<u32>(cpu, STEPPING) != 0) {
        leave(cpu, load<u64>(cpu, RIP), left);
        if (n > 0) store<u64>(cpu, load<u64>(cpu, ICOUNT), STRING_AT);
        return;
      }
      start = pc; continue;`,
);
op(
  'SYS',
  `here(cpu, pc, left - <i32>((pc - start) >> 4));
      const code = load<u32>(cpu, JUMP_GEN);
      const r = sys(cpu, pc);
      if (r == SYS_NEXT) { ${nextOp} }
      if (r == SYS_FAILED) return;
      store<u64>(cpu, load<u64>(cpu, ICOUNT) + 1, ICOUNT);
      if (r == SYS_MOVED) return;
      store<u64>(cpu, load<u64>(cpu, NEXT_RIP), RIP);
      // A device that was asked may have written this very code.
      if (r == SYS_LEAVE || load<u32>(cpu, EVENT) != 0 || load<u32>(cpu, JUMP_GEN) != code) return;
      left = refresh(cpu);
      if (left <= MARGIN || load<u32>(cpu, STEPPING) != 0) return;
      // A probe that fired may want attention.
      if (load<u32>(cpu, OUTSIDE) != 0 && enterGuest(cpu)) {
        left = refresh(cpu);
        if (left <= MARGIN) return;
      }
      pc += 16; start = pc; continue;`,
);

// The commonest of AVX once more: moves of whole vectors to and from memory, and packed integers (and logic) on registers. Layout as of AVX.
const vexReady = 'if (load<u32>(cpu, VEX_READY) == 0) { refuse(cpu); break; }';
const xmm = (n: string) => `cpu + XMM + (<usize>(${n}) << 5)`;
/** A move that wants alignment and has none is left to the function, which knows what comes first. */
const vexEa = (bits: Bits, write: 0 | 1) =>
  `${ea(bits, write)} if ((load<u8>(pc, 13) & ${0x40}) != 0 && (<u32>lin & ${bits / 8 - 1}) != 0) { avxFn(cpu, pc); break; }`;
const zeroes = 'i32x4.splat(0)';
for (const bits of [128, 256] as const) {
  const high = (from: string) => (bits === 256 ? `v128.load(${from}, 16)` : zeroes);
  memoryOp(
    `AVX_LOAD_${bits}`,
    (m) =>
      `${vexReady} ${m.read(bits, vexEa(bits, 0))} const d = ${xmm('load<u8>(pc, 4) & 15')}; const high = ${high('h')}; v128.store(d, v128.load(h)); v128.store(d, high, 16); ${m.next}`,
  );
}
for (const bits of [128, 256] as const) {
  const high = bits === 256 ? 'v128.store(h, v128.load(d, 16), 16);' : '';
  memoryOp(
    `AVX_STORE_${bits}`,
    (m) =>
      `${vexReady} ${m.write(bits, vexEa(bits, 1))} const d = ${xmm('load<u8>(pc, 4) & 15')}; v128.store(h, v128.load(d)); ${high} ${m.stored} ${m.next}`,
  );
}
/** By opcode, under 66 in map 0F: what becomes of the lanes \`a\` and \`b\`. */
const PACKED: Record<number, string> = {
  100: 'i8x16.gt_s(a, b)',
  102: 'i32x4.gt_s(a, b)',
  116: 'i8x16.eq(a, b)',
  117: 'i16x8.eq(a, b)',
  118: 'i32x4.eq(a, b)',
  212: 'i64x2.add(a, b)',
  218: 'i8x16.min_u(a, b)',
  219: 'v128.and(a, b)',
  222: 'i8x16.max_u(a, b)',
  223: 'v128.andnot(b, a)',
  235: 'v128.or(a, b)',
  239: 'v128.xor(a, b)',
  248: 'i8x16.sub(a, b)',
  249: 'i16x8.sub(a, b)',
  250: 'i32x4.sub(a, b)',
  251: 'i64x2.sub(a, b)',
  252: 'i8x16.add(a, b)',
  253: 'i16x8.add(a, b)',
  254: 'i32x4.add(a, b)',
};
const avxPacked = new Map<number, number>();
for (const [opcode, lane] of Object.entries(PACKED)) {
  avxPacked.set(Number(opcode), cases.length);
  for (const bits of [128, 256]) {
    const high = bits === 256 ? `{ const a = v128.load(at, 16); const b = v128.load(bt, 16); high = ${lane}; }` : '';
    op(
      `AVX_${Number(opcode).toString(16).toUpperCase()}_${bits}`,
      `${vexReady} const r = <u32>load<u8>(pc, 4); const d = ${xmm('r & 15')}; const at = ${xmm('r >> 4')}; const bt = cpu + <usize>load<u32>(pc, 8);
      let high = ${zeroes}; ${high} { const a = v128.load(at); const b = v128.load(bt); v128.store(d, ${lane}); } v128.store(d, high, 16); ${nextOp}`,
    );
  }
}

// cmp/test followed by jcc: one dispatch for both; the second slot keeps the plain jcc, whose link is used.
const fusedForms: [string, Bits, string, string | ((m: Memory) => string)][] = [];
for (const bits of [8, 32, 64] as Bits[]) {
  fusedForms.push(['CMP', bits, 'RR', `const a = ${reg(bits, 4)}; const b = ${reg(bits, 5)};`]);
  fusedForms.push(['CMP', bits, 'RI', `const a = ${reg(bits, 4)}; const b = ${imm};`]);
  fusedForms.push(['CMP', bits, 'MI', (m) => `${m.read(bits)} const a = <i64>load<i${bits}>(h); const b = ${imm};`]);
  fusedForms.push(['CMP', bits, 'RM', (m) => `${m.read(bits)} const a = ${reg(bits, 4)}; const b = <i64>load<i${bits}>(h);`]);
  fusedForms.push(['CMP', bits, 'MR', (m) => `${m.read(bits)} const a = <i64>load<i${bits}>(h); const b = ${reg(bits, 4)};`]);
  fusedForms.push(['TEST', bits, 'RR', `const r = ${reg(bits, 4)} & ${reg(bits, 5)};`]);
}
fusedForms.push(['TEST', 8, 'RI', `const r = ${reg(8, 4)} & ${imm};`]);
fusedForms.push(['TEST', 32, 'RI', `const r = ${reg(32, 4)} & ${imm};`]);
fusedForms.push(['TEST', 8, 'MI', (m) => `${m.read(8)} const r = <i64>load<i8>(h) & ${imm};`]);
fusedForms.push(['TEST', 32, 'MI', (m) => `${m.read(32)} const r = <i64>load<i32>(h) & ${imm};`]);
const subCC: Record<number, string> = {
  2: '<u64>a < <u64>b',
  3: '<u64>a >= <u64>b',
  4: 'a == b',
  5: 'a != b',
  6: '<u64>a <= <u64>b',
  7: '<u64>a > <u64>b',
  8: 'r < 0',
  9: 'r >= 0',
  12: 'a < b',
  13: 'a >= b',
  14: 'a <= b',
  15: 'a > b',
};
const logicCC: Record<number, string> = { 4: 'r == 0', 5: 'r != 0', 8: 'r < 0', 9: 'r >= 0', 14: 'r <= 0', 15: 'r > 0' };
const go2 = `{ const rest = left - <i32>((pc - start) >> 4) - 2; pc += 16; let t = <usize>load<u32>(pc, 8); if (t == 0 || rest <= MARGIN) { t = link(cpu, pc, rest); if (t == 0) return; } left = rest; pc = t; start = t; continue; }`;
for (const [name, bits, form, operands] of fusedForms) {
  const table = name === 'CMP' ? subCC : logicCC;
  for (const [c, text] of Object.entries(table)) {
    const flags = name === 'CMP' ? `const r = ${sx(bits, 'a - b')}; ${flags3('FLAGS_SUB', 'r', 'a', 'b')}` : flagsLogic('r');
    const full = `${name}_${form}_${bits}_J${c}`;
    const jump = `if (!(${text})) { pc += 32; continue; } ${go2}`;
    if (typeof operands === 'string') op(full, `${operands} ${flags} ${jump}`);
    // Slowly only the comparison is done: the jump's own slot comes next.
    else memoryOp(full, (m) => `${operands(m)} ${flags} ${m.fast ? jump : m.next}`);
  }
}

// Register operations whose flags the next instruction overwrites, without them (see noFlags in the decoder).
for (const name of ['ADD', 'SUB', 'AND', 'OR', 'XOR']) {
  for (const form of ['RR', 'RI']) {
    for (const bits of [32, 64] as Bits[]) {
      const o = { ADD: '+', SUB: '-', AND: '&', OR: '|', XOR: '^' }[name];
      op(`${name}_${form}_${bits}_Q`, `${setReg(bits, 4, `${reg(bits, 4)} ${o} ${form === 'RR' ? reg(bits, 5) : imm}`)} ${nextOp}`);
    }
  }
}
for (const bits of [32, 64] as Bits[]) {
  const u = `<u64>load<u${bits}>(cpu + load<u8>(pc, 4))`;
  for (const [name, text] of [
    ['SHL_RI', `${u} << <u64>load<u8>(pc, 12)`],
    ['SHR_RI', `${u} >> <u64>load<u8>(pc, 12)`],
    ['SAR_RI', `${reg(bits, 4)} >> <i64>load<u8>(pc, 12)`],
    ['INC_R', `${reg(bits, 4)} + 1`],
    ['DEC_R', `${reg(bits, 4)} - 1`],
  ] as const) {
    op(`${name}_${bits}_Q`, `${setReg(bits, 4, text)} ${nextOp}`);
  }
}

// The commonest memory operands once more, for base and displacement alone.
const simple: [string, (m: Memory) => string][] = [];
for (const bits of [8, 32, 64] as Bits[]) {
  simple.push([`MOV_RM_${bits}`, (m) => `${m.read(bits, eaSimple)} ${setReg(bits, 4, `load<u${bits}>(h)`)} ${m.next}`]);
  simple.push([
    `MOV_MR_${bits}`,
    (m) => `${m.write(bits, eaSimple)} store<u${bits}>(h, load<u${bits}>(cpu + load<u8>(pc, 4))); ${m.stored} ${m.next}`,
  ]);
}
simple.push(['MOVZX_M_8_32', (m) => `${m.read(8, eaSimple)} ${setReg(32, 4, '<i64>load<u8>(h)')} ${m.next}`]);
simple.push(['MOVZX_M_16_32', (m) => `${m.read(16, eaSimple)} ${setReg(32, 4, '<i64>load<u16>(h)')} ${m.next}`]);
for (const [name, body] of simple) memoryOp(`${name}_S`, body);
op('LEA_64_S', `${eaSimple} ${setReg(64, 4, 'lin')} ${nextOp}`);

const names = cases.map((c, i) => `export const ${c.name}: u32 = ${i};`);
for (const [n, i] of bases) names.push(`export const ${n}: u32 = ${i};`);
// The fusion table: for each fusable compare, 16 entries by condition, 0 = none.
const fusable = new Map<string, Map<number, number>>();
cases.forEach((c, i) => {
  const m = /^(.*)_J(\d+)$/.exec(c.name);
  if (m?.[1] === undefined) return;
  const t = fusable.get(m[1]) ?? new Map<number, number>();
  t.set(Number(m[2]), i);
  fusable.set(m[1], t);
});
/** A function of the micro-op number by table: the decoder asks for every instruction. */
function lookup(doc: string, fn: string, to: (c: { name: string }, i: number) => number): void {
  const at = fn.replace(/[A-Z]/g, '_$&').toUpperCase();
  names.push(`const ${at}: usize = memory.data<u16>([${cases.map(to).join(', ')}]);
/** ${doc} */
// @ts-ignore: decorator
@inline
export function ${fn}(op: u32): u32 {
  return <u32>load<u16>(${at} + (op << 1));
}`);
}
const numberOf = new Map(cases.map((c, i) => [c.name, i]));
const rows = [...fusable.keys()];
lookup('Row of FUSED for a compare, or 0.', 'fusedRow', (c) => rows.indexOf(c.name) + 1);
const fused = rows.flatMap((name) => Array.from({ length: 16 }, (_, c) => fusable.get(name)?.get(c) ?? 0));
names.push(`const FUSED: usize = memory.data<u16>([${fused.join(', ')}]);
/** The micro-op that does compare \`op\` and the jump on condition \`c\` at once, or 0. */
export function fusedOp(op: u32, c: u32): u32 {
  const row = fusedRow(op);
  return row == 0 ? 0 : <u32>load<u16>(FUSED + ((((row - 1) << 4) + c) << 1));
}`);
lookup(
  'The micro-op for the same with a memory operand of base and displacement alone.',
  'simpleOp',
  (c, i) => numberOf.get(`${c.name}_S`) ?? i,
);
/** What an operation on registers alone does with the flags: 1 = replaces all, 2 = neither reads nor writes them (and cannot fault). */
const flagUse = (n: string): number => {
  if (
    /^(ADD|SUB|AND|OR|XOR|CMP)_(RR|RI)_\d+(_J\d+)?$/.test(n) ||
    /^TEST_(RR|RI)_\d+(_J\d+)?$/.test(n) ||
    /^(SHL|SHR|SAR)_RI_\d+$/.test(n) ||
    /^(NEG_R|IMUL_RRI?)_\d+$/.test(n)
  )
    return 1;
  if (
    /^MOV_(RR|RI)_\d+$/.test(n) ||
    /^(MOVABS|NOP)$/.test(n) ||
    /^MOV[ZS]X_R_/.test(n) ||
    /^LEA_\d+(_S)?$/.test(n) ||
    /^(NOT_R|BSWAP)_\d+$/.test(n)
  )
    return 2;
  return 0;
};
lookup('What it does with the flags: 1 = replaces all, 2 = neither reads nor writes them (and cannot fault).', 'flagUse', (c) =>
  flagUse(c.name),
);
names.push(`const AVX_PACKED: usize = memory.data<u16>([${Array.from({ length: 256 }, (_, opcode) => avxPacked.get(opcode) ?? 0).join(', ')}]);
/** The micro-op of 128 bits for a packed operation on registers, by its opcode in map 0F under 66, or 0; that of 256 bits comes next. */
export function avxPacked(opcode: u32): u32 {
  return <u32>load<u16>(AVX_PACKED + (opcode << 1));
}`);
lookup('The micro-op that does the same without setting flags, or 0.', 'quietOp', (c) => numberOf.get(`${c.name}_Q`) ?? 0);
const header = '// Generated by scripts/gen-interp.ts; do not edit.\n';
const out = new URL('../vmm/cpu/core/', import.meta.url);
writeFileSync(new URL('uop.gen.ts', out), `${header}${names.join('\n')}\n`);
const body = cases.map((c, i) => `      case ${i}: { // ${c.name}\n      ${c.body}\n      }`).join('\n');
const slowBody = cases
  .flatMap((c, i) => (c.slow === undefined ? [] : [`    case ${i}: { // ${c.name}\n      ${c.slow}\n    }`]))
  .join('\n');
const imports = `import { bswap16Fn, bcdFn, bitFn, boundFn, branchFn, cmovFn, cmpxchg8bFn, cmpxchgFn, convertFn, crc32Fn, enterFn, flagFn, imul16Fn, imul32, imul64, leaveFn, moffsFn, movbeFn, mulDivFn, popaFn, popFn, pushaFn, pushFn, scanFn, setccFn, shiftdFn, shiftFn, sseFn, unaryFn, x87Fn, xaddFn, xchgFn, xlatFn } from './operations';
import { avxFn, refuse } from './avx';
import { adxFn, bmiFn } from './bmi';
import { stringFn } from './string';
import { sys, SYS_FAILED, SYS_LEAVE, SYS_MOVED, SYS_NEXT } from './sys';
import { below, eaFix, here, jump, leave, legacyTarget, less, link, MARGIN, modifyAt, nextOffset, nonCanonical, readAt, refresh, writeAt } from './flow';
import { EXC_STEP, failed, raise, raiseError, VEC_GP, VEC_UD } from './fault';
import { CF, FLAGS_ADD, FLAGS_BITS, FLAGS_LOGIC, FLAGS_SUB, getCF, getOF, getPF, getSF, getZF, OF, setCarries } from './flags';
import { commit, refill } from './mmu';
import { EVENT, EXC, FLAG_A, FLAG_B, FLAG_OP, FLAG_RES, ICOUNT, JUMP_GEN, MODE, NEXT_RIP, OUTSIDE, RAM_BASE, RIP, RIP_BASE, STEPPING, STRING_AT, TLB_NOW, VEX_READY, XMM } from './state.gen';
import { enterGuest } from './exits';
`;
writeFileSync(
  new URL('interp.gen.ts', out),
  `${header}${imports}
/** The micro-op that the last refill of the TLB was for. */
let refilled: usize = 0;

/**
 * Runs micro-ops from \`pc\` until something needs attention; \`left\` instructions may be retired before the next stop.
 * On return RIP and ICOUNT are exact; EXC says why, if it is not 0.
 */
export function interp(cpu: usize, pc: usize, left: i32): void {
  let start = pc;
  let missed: u64 = 0;
  let miss: u32 = 0;
  while (true) {
    switch (<u32>load<u16>(pc)) {
${body}
      default: unreachable();
    }
    // The micro-op at pc raised something, or its memory operand is not a plain hit in the TLB.
    if (!failed(cpu)) {
      // Twice in a row at the same place: two operands want one entry of the TLB (PUSH and CALL of memory); the general road needs none.
      if (pc != refilled && refill(cpu, missed, miss)) { refilled = pc; continue; }
      refilled = 0;
      const done = failed(cpu) ? 0 : slow(cpu, pc);
      if (done == 1) { pc += 16; continue; }
      if (done == 2) { const t = load<u64>(cpu, RIP); ${FAST.goTo} }
    }
    here(cpu, pc, left - <i32>((pc - start) >> 4));
    return;
  }
}

/** One micro-op with memory, by the general road: 0 = EXC is set, 1 = complete, 2 = complete and RIP holds where to go. */
function slow(cpu: usize, pc: usize): i32 {
  switch (<u32>load<u16>(pc)) {
${slowBody}
    default: unreachable();
  }
  return 0;
}
`,
);
