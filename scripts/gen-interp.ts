/**
 * Writes the interpreter's dense switch (`vmm/cpu/core/interp.gen.ts`) and the micro-op numbers (`uop.gen.ts`) from one table.
 *
 * Families that differ only by operation, operand form or size are spelled out here once; everything rare is a call of a function of
 * `operations.ts`. The numbers of a family are consecutive, so the decoder computes them: ALU + (operation * 5 + form) * 4 + size.
 */
import { writeFileSync } from 'node:fs';

const cases: { name: string; body: string }[] = [];
const bases: [string, number][] = [];
function op(name: string, body: string): void {
  cases.push({ name, body });
}
function base(name: string): void {
  bases.push([name, cases.length]);
}

type Bits = 8 | 16 | 32 | 64;
const SIZES: Bits[] = [8, 16, 32, 64];

const reg = (bits: Bits, at: number) => `<i64>load<i${bits}>(cpu + load<u8>(pc, ${at}))`;
const setReg = (bits: Bits, at: number, v: string) =>
  bits === 32
    ? `store<u64>(cpu + load<u8>(pc, ${at}), <u64><u32>(${v}));`
    : `store<u${bits}>(cpu + load<u8>(pc, ${at}), <u${bits}>(${v}));`;
const sx = (bits: Bits, v: string) => (bits === 64 ? `(${v})` : `<i64><i${bits}>(${v})`);
const ea = (bits: number, write: 0 | 1) =>
  `const f = <u32>load<u8>(pc, 7); let lin = load<u64>(cpu + load<u8>(pc, 5)) + (load<u64>(cpu + load<u8>(pc, 6)) << <u64>(f & 3)) + <u64><i64>load<i32>(pc, 8);
      if (f & 4) lin = eaFix(cpu, lin, f, ${bits / 8}, ${write});`;
const readM = (bits: Bits) => `${ea(bits, 0)}
      const h = readAt(cpu, lin, ${bits / 8}, f); if (h == 0) break;`;
const writeM = (bits: Bits) => `${ea(bits, 1)}
      const h = writeAt(cpu, lin, ${bits / 8}, f); if (h == 0) break;`;
const modifyM = (bits: Bits) => `${ea(bits, 1)}
      const h = modifyAt(cpu, lin, ${bits / 8}, f); if (h == 0) break;`;
const stored = 'if (h < RAM_BASE) { if (!commit(cpu)) break; }';
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
      let body: string;
      if (form === 'RR' || form === 'RI') {
        body = `const a = ${reg(bits, 4)}; const b = ${form === 'RR' ? reg(bits, 5) : imm}; ${compute} ${flags} ${keep ? setReg(bits, 4, 'r') : ''} ${nextOp}`;
      } else if (form === 'RM') {
        body = `${readM(bits)} const a = ${reg(bits, 4)}; const b = <i64>load<i${bits}>(h); ${compute} ${flags} ${keep ? setReg(bits, 4, 'r') : ''} ${nextOp}`;
      } else {
        const b = form === 'MR' ? reg(bits, 4) : imm;
        body = keep
          ? `${modifyM(bits)} const a = <i64>load<i${bits}>(h); const b = ${b}; ${compute} store<u${bits}>(h, <u${bits}>r); ${stored} ${flags} ${nextOp}`
          : `${readM(bits)} const a = <i64>load<i${bits}>(h); const b = ${b}; ${compute} ${flags} ${nextOp}`;
      }
      op(`${name}_${form}_${bits}`, body);
    }
  }
}

base('TEST');
for (const form of ['RR', 'MR', 'RI', 'MI']) {
  for (const bits of SIZES) {
    const b = form.endsWith('I') ? imm : reg(bits, 4);
    const bb = form === 'RI' ? imm : form === 'RR' ? reg(bits, 5) : b;
    const body = form.startsWith('R')
      ? `const r = ${reg(bits, 4)} & ${bb}; ${flagsLogic('r')} ${nextOp}`
      : `${readM(bits)} const r = <i64>load<i${bits}>(h) & ${b}; ${flagsLogic('r')} ${nextOp}`;
    op(`TEST_${form}_${bits}`, body);
  }
}

base('MOV');
for (const form of ['RR', 'RM', 'MR', 'RI', 'MI']) {
  for (const bits of SIZES) {
    let body: string;
    if (form === 'RR') body = `${setReg(bits, 4, `load<u${bits}>(cpu + load<u8>(pc, 5))`)} ${nextOp}`;
    else if (form === 'RI') body = `${setReg(bits, 4, bits === 64 ? '<i64>load<i32>(pc, 12)' : 'load<u32>(pc, 12)')} ${nextOp}`;
    else if (form === 'RM') body = `${readM(bits)} ${setReg(bits, 4, `load<u${bits}>(h)`)} ${nextOp}`;
    else {
      const v = form === 'MR' ? `load<u${bits}>(cpu + load<u8>(pc, 4))` : `<u${bits}>load<i32>(pc, 12)`;
      body = `${writeM(bits)} store<u${bits}>(h, ${v}); ${stored} ${nextOp}`;
    }
    op(`MOV_${form}_${bits}`, body);
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
  op(`${name}_M_${from}_${to}`, `${readM(from)} ${setReg(to, 4, `<i64>load<${t}>(h)`)} ${nextOp}`);
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
  op(`IMUL_RR_${bits}`, `imul${bits}(cpu, load<u8>(pc, 4), ${reg(bits, 4)}, ${reg(bits, 5)}); ${nextOp}`);
  op(`IMUL_RM_${bits}`, `${readM(bits)} imul${bits}(cpu, load<u8>(pc, 4), ${reg(bits, 4)}, <i64>load<i${bits}>(h)); ${nextOp}`);
  op(`IMUL_RRI_${bits}`, `imul${bits}(cpu, load<u8>(pc, 4), ${reg(bits, 5)}, ${imm}); ${nextOp}`);
  op(`IMUL_RMI_${bits}`, `${readM(bits)} imul${bits}(cpu, load<u8>(pc, 4), <i64>load<i${bits}>(h), ${imm}); ${nextOp}`);
  op(`BSWAP_${bits}`, `${setReg(bits, 4, `bswap<u${bits}>(load<u${bits}>(cpu + load<u8>(pc, 4)))`)} ${nextOp}`);
}

// Stack in 64-bit mode.
op(
  'PUSH_R',
  `const sp = load<u64>(cpu, 32) - 8; const h = hostWrite(cpu, sp, 8, A_STACK); if (h == 0) break;
      store<u64>(h, load<u64>(cpu + load<u8>(pc, 4))); ${stored} store<u64>(cpu, sp, 32); ${nextOp}`,
);
op(
  'PUSH_I',
  `const sp = load<u64>(cpu, 32) - 8; const h = hostWrite(cpu, sp, 8, A_STACK); if (h == 0) break;
      store<i64>(h, ${imm}); ${stored} store<u64>(cpu, sp, 32); ${nextOp}`,
);
op(
  'PUSH_M',
  `${readM(64)} const v = load<u64>(h); const sp = load<u64>(cpu, 32) - 8; const w = hostWrite(cpu, sp, 8, A_STACK); if (w == 0) break;
      store<u64>(w, v); if (w < RAM_BASE) { if (!commit(cpu)) break; } store<u64>(cpu, sp, 32); ${nextOp}`,
);
op(
  'POP_R',
  `const sp = load<u64>(cpu, 32); const h = hostRead(cpu, sp, 8, A_STACK); if (h == 0) break;
      const v = load<u64>(h); store<u64>(cpu, sp + 8, 32); store<u64>(cpu + load<u8>(pc, 4), v); ${nextOp}`,
);
op(
  'LEAVE',
  `const bp = load<u64>(cpu, 40); const h = hostRead(cpu, bp, 8, A_STACK); if (h == 0) break;
      store<u64>(cpu, bp + 8, 32); store<u64>(cpu, load<u64>(h), 40); ${nextOp}`,
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
const pushReturn = `const sp = load<u64>(cpu, 32) - 8; const h = hostWrite(cpu, sp, 8, A_STACK); if (h == 0) break;
      store<u64>(h, load<u64>(cpu, RIP_BASE) + nextOffset(pc)); ${stored} store<u64>(cpu, sp, 32);`;
op('CALL_LOCAL', `${pushReturn} ${goLocal}`);
op('CALL_FAR', `if (!canonicalTarget(cpu, load<u64>(cpu, RIP_BASE) + <u64><i64>load<i32>(pc, 12))) break; ${pushReturn} ${goFar}`);
const goTo = `{ ${retire} const u = jump(cpu, t, rest); if (u == 0) return; left = rest; pc = u; start = u; continue; }`;
op(
  'RET',
  `const sp = load<u64>(cpu, 32); const h = hostRead(cpu, sp, 8, A_STACK); if (h == 0) break;
      const t = load<u64>(h); if (!canonicalTarget(cpu, t)) break; store<u64>(cpu, sp + 8 + <u64>load<u16>(pc, 12), 32); ${goTo}`,
);
op('JMP_R', `const t = load<u64>(cpu + load<u8>(pc, 5)); if (!canonicalTarget(cpu, t)) break; ${goTo}`);
op('JMP_M', `${readM(64)} const t = load<u64>(h); if (!canonicalTarget(cpu, t)) break; ${goTo}`);
op('CALL_R', `const t = load<u64>(cpu + load<u8>(pc, 5)); if (!canonicalTarget(cpu, t)) break; ${pushReturn} ${goTo}`);
op(
  'CALL_M',
  `${readM(64).replaceAll('const h', 'const m').replaceAll('h == 0', 'm == 0')} const t = load<u64>(m); if (!canonicalTarget(cpu, t)) break; ${pushReturn} ${goTo}`,
);
// Near branches of 16- and 32-bit code, LOOP and JCXZ: the function stores RIP and says whether it branched.
op('BRANCH_FN', `const r = branchFn(cpu, pc); if (r == 0) break; if (r == 1) { ${nextOp} } { const t = load<u64>(cpu, RIP); ${goTo} }`);
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
  ['BSWAP16', 'bswap16Fn'],
  ['MOFFS', 'moffsFn'],
] as const) {
  op(name, `if (!${fn}(cpu, pc)) break; ${nextOp}`);
}
// x87 wants to know where it is; so does everything of the system.
op('X87', `here(cpu, pc, left - <i32>((pc - start) >> 4)); if (!x87Fn(cpu, pc)) return; ${nextOp}`);
op(
  'STRING',
  `here(cpu, pc, left - <i32>((pc - start) >> 4)); const n = stringFn(cpu, pc, left - <i32>((pc - start) >> 4));
      // n iterations were retired; bit 31: the instruction is complete.
      if (n < 0) { left -= (n & 0x7fffffff) - 1; ${nextOp} }
      left -= n + <i32>((pc - start) >> 4);
      if (failed(cpu) || left <= MARGIN || load<u32>(cpu, STEPPING) != 0) { leave(cpu, load<u64>(cpu, RIP), left); return; }
      start = pc; continue;`,
);
op(
  'SYS',
  `here(cpu, pc, left - <i32>((pc - start) >> 4));
      const r = sys(cpu, pc);
      if (r == SYS_NEXT) { ${nextOp} }
      if (r == SYS_FAILED) return;
      store<u64>(cpu, load<u64>(cpu, ICOUNT) + 1, ICOUNT);
      if (r == SYS_MOVED) return;
      store<u64>(cpu, load<u64>(cpu, NEXT_RIP), RIP);
      if (r == SYS_LEAVE || load<u32>(cpu, EVENT) != 0) return;
      left = refresh(cpu);
      if (left <= MARGIN || load<u32>(cpu, STEPPING) != 0) return;
      pc += 16; start = pc; continue;`,
);

// cmp/test followed by jcc: one dispatch for both; the second slot keeps the plain jcc, whose link is used.
const fusedForms: [string, Bits, string, string][] = [];
for (const bits of [8, 32, 64] as Bits[]) {
  fusedForms.push(['CMP', bits, 'RR', `const a = ${reg(bits, 4)}; const b = ${reg(bits, 5)};`]);
  fusedForms.push(['CMP', bits, 'RI', `const a = ${reg(bits, 4)}; const b = ${imm};`]);
  fusedForms.push(['TEST', bits, 'RR', `const r = ${reg(bits, 4)} & ${reg(bits, 5)};`]);
}
fusedForms.push(['CMP', 32, 'MI', `${readM(32)} const a = <i64>load<i32>(h); const b = ${imm};`]);
fusedForms.push(['CMP', 64, 'MI', `${readM(64)} const a = load<i64>(h); const b = ${imm};`]);
fusedForms.push(['CMP', 8, 'MI', `${readM(8)} const a = <i64>load<i8>(h); const b = ${imm};`]);
fusedForms.push(['CMP', 64, 'RM', `${readM(64)} const a = ${reg(64, 4)}; const b = load<i64>(h);`]);
fusedForms.push(['CMP', 32, 'RM', `${readM(32)} const a = ${reg(32, 4)}; const b = <i64>load<i32>(h);`]);
fusedForms.push(['TEST', 8, 'RI', `const r = ${reg(8, 4)} & ${imm};`]);
fusedForms.push(['TEST', 8, 'MI', `${readM(8)} const r = <i64>load<i8>(h) & ${imm};`]);
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
const fused: string[] = [];
const go2 = `{ const rest = left - <i32>((pc - start) >> 4) - 2; pc += 16; let t = <usize>load<u32>(pc, 8); if (t == 0 || rest <= MARGIN) { t = link(cpu, pc, rest); if (t == 0) return; } left = rest; pc = t; start = t; continue; }`;
for (const [name, bits, form, operands] of fusedForms) {
  const table = name === 'CMP' ? subCC : logicCC;
  for (const [c, text] of Object.entries(table)) {
    const flags = name === 'CMP' ? `const r = ${sx(bits, 'a - b')}; ${flags3('FLAGS_SUB', 'r', 'a', 'b')}` : flagsLogic('r');
    fused.push(`    case ${name}_${form}_${bits}: { if (c == ${c}) return ${name}_${form}_${bits}_J${c}; break; }`);
    op(`${name}_${form}_${bits}_J${c}`, `${operands} ${flags} if (!(${text})) { pc += 32; continue; } ${go2}`);
  }
}

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
const table: number[] = [];
const heads: string[] = [];
for (const [n, t] of fusable) {
  heads.push(`    case ${n}: row = ${table.length / 16}; break;`);
  for (let c = 0; c < 16; c++) table.push(t.get(c) ?? 0);
}
names.push(`const FUSED: usize = memory.data<u16>([${table.join(', ')}]);`);
names.push(`/** The micro-op that does compare \`op\` and the jump on condition \`c\` at once, or 0. */
export function fusedOp(op: u32, c: u32): u32 {
  let row: i32 = -1;
  switch (op) {
${heads.join('\n')}
  }
  return row < 0 ? 0 : <u32>load<u16>(FUSED + (((<u32>row << 4) + c) << 1));
}`);
const header = '// Generated by scripts/gen-interp.ts; do not edit.\n';
const out = new URL('../vmm/cpu/core/', import.meta.url);
writeFileSync(new URL('uop.gen.ts', out), `${header}${names.join('\n')}\n`);
const body = cases.map((c, i) => `      case ${i}: { // ${c.name}\n      ${c.body}\n      }`).join('\n');
writeFileSync(
  new URL('interp.gen.ts', out),
  `${header}import { bswap16Fn, bcdFn, bitFn, boundFn, branchFn, cmovFn, cmpxchg8bFn, cmpxchgFn, convertFn, enterFn, flagFn, imul16Fn, imul32, imul64, leaveFn, moffsFn, mulDivFn, popaFn, popFn, pushaFn, pushFn, scanFn, setccFn, shiftdFn, shiftFn, sseFn, unaryFn, x87Fn, xaddFn, xchgFn, xlatFn } from './operations';
import { stringFn } from './string';
import { sys, SYS_FAILED, SYS_LEAVE, SYS_MOVED, SYS_NEXT } from './sys';
import { below, canonicalTarget, eaFix, here, jump, leave, legacyTarget, less, link, MARGIN, modifyAt, nextOffset, readAt, refresh, writeAt } from './flow';
import { EXC_STEP, failed, raise, raiseError, VEC_GP, VEC_UD } from './fault';
import { FLAGS_ADD, FLAGS_BITS, FLAGS_LOGIC, FLAGS_SUB, getCF, getOF, getPF, getSF, getZF } from './flags';
import { A_STACK, commit, hostRead, hostWrite } from './mmu';
import { EVENT, EXC, FLAG_A, FLAG_B, FLAG_OP, FLAG_RES, ICOUNT, MODE, NEXT_RIP, RAM_BASE, RIP, RIP_BASE, STEPPING } from './state.gen';

/**
 * Runs micro-ops from \`pc\` until something needs attention; \`left\` instructions may be retired before the next stop.
 * On return RIP and ICOUNT are exact; EXC says why, if it is not 0.
 */
export function interp(cpu: usize, pc: usize, left: i32): void {
  let start = pc;
  while (true) {
    switch (<u32>load<u16>(pc)) {
${body}
      default: unreachable();
    }
    // The instruction at pc did not complete.
    here(cpu, pc, left - <i32>((pc - start) >> 4));
    return;
  }
}
`,
);
