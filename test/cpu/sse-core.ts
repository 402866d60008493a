/**
 * What the SIMD tests share: the core's SIMD part built alone, every form of its operand table, registers and operands to run them on.
 *
 * @module
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { MEMORY_MAP, offsetOf } from '../../vmm/cpu/layout.ts';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const build = `${root}build`;
export const CPU = MEMORY_MAP.VCPU_BASE;
export const RAM = MEMORY_MAP.RAM_BASE;
export const at = (name: string, index = 0): number => CPU + offsetOf(name, index);

export interface Core {
  sseInfo(op: number, isMem: number, reg: number): number;
  sseExec(cpu: number, op: number, dst: number, src: number, imm: number, rexw: number): void;
  ldmxcsr(cpu: number, value: number): void;
  fmaExec(cpu: number, opcode: number, w: number, l: number, dst: number, vvvv: number, rm: number): void;
  cvtph2ps(cpu: number, l: number, dst: number, rm: number): void;
  cvtps2ph(cpu: number, l: number, rm: number, isMem: number, src: number, imm: number): void;
  crc32c(crc: number, data: bigint, bytes: number): number;
  maskmov(cpu: number, lin: bigint, dst: number, mask: number, size: number): void;
  modeChanged(cpu: number): void;
  tlbInit(cpu: number): void;
}

/** The core's SIMD part, and the MMU for MASKMOV, over a memory of its own. */
function load(): { core: Core; memory: DataView; bytes: Uint8Array; constants: Record<string, number>; text: string } {
  mkdirSync(build, { recursive: true });
  // Test files run at the same time: each builds its own.
  const output = `${build}/${basename(process.argv[1] ?? 'sse', '.test.ts')}`;
  const sources = ['sse', 'sse-table', 'fma', 'f16c', 'mmu'].map((name) => `vmm/cpu/core/${name}.ts`);
  const options = '-O3 --runtime stub --importMemory --sharedMemory --initialMemory 1100 --maximumMemory 65536 --memoryBase 65536';
  execFileSync(
    process.execPath,
    [
      `${root}node_modules/assemblyscript/bin/asc.js`,
      ...sources,
      '-o',
      `${output}.wasm`,
      '-t',
      `${output}.wat`,
      ...options.split(' '),
      '--enable',
      'threads,simd,bulk-memory',
      '--noAssert',
    ],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const memory = new WebAssembly.Memory({ initial: 1100, maximum: 65536, shared: true });
  const nothing = new Proxy({ memory }, { get: (target, name) => (name === 'memory' ? target.memory : () => 0), has: () => true });
  const module = new WebAssembly.Module(readFileSync(`${output}.wasm`));
  const imports: WebAssembly.Imports = {};
  for (const wanted of WebAssembly.Module.imports(module)) imports[wanted.module] = nothing as unknown as WebAssembly.ModuleImports;
  const { exports } = new WebAssembly.Instance(module, imports);
  const constants: Record<string, number> = {};
  for (const [name, value] of Object.entries(exports)) if (value instanceof WebAssembly.Global) constants[name] = value.value as number;
  return {
    core: exports as unknown as Core,
    memory: new DataView(memory.buffer),
    bytes: new Uint8Array(memory.buffer),
    constants,
    text: readFileSync(`${output}.wat`, 'utf8'),
  };
}

export const { core, memory, bytes, text, constants } = load();

/** A constant of sse-table.ts. */
export const C = (name: string): number => {
  const value = constants[name];
  if (value === undefined) throw new Error(`sse-table.ts exports no ${name}`);
  return value;
};

/** One encoding: an op with its operand form. */
export interface Form {
  readonly op: number;
  readonly mem: boolean;
  readonly reg: number;
  readonly wide: boolean;
  readonly info: number;
}

const PREFIX_BYTES = [[], [0x66], [0xf3], [0xf2]] as const;
const ESCAPES = [[0x0f], [0x0f, 0x38], [0x0f, 0x3a]] as const;

/** mod = 3: reg 1, rm 2; memory: [rsi]. A group's instruction has its number in reg. */
export function encode(form: Form, imm: number): number[] {
  const modrm = ((form.info & C('INFO_GROUP') ? form.reg : 1) << 3) | (form.mem ? 6 : 0xc2);
  const rex = form.wide ? [0x48] : [];
  const tail = form.info & C('INFO_IMM8') || form.op >> 10 === 2 ? [imm] : [];
  return [...PREFIX_BYTES[((form.op >> 8) & 3) as 0], ...rex, ...ESCAPES[(form.op >> 10) as 0], form.op & 0xff, modrm, ...tail];
}

/** All forms that the table has, and those it lacks of opcodes that it has. */
function allForms(): { forms: Form[]; absent: Form[] } {
  const forms: Form[] = [];
  const absent: Form[] = [];
  for (let op = 0; op < 3 << 10; op++) {
    const known = [0, 1, 2, 3].some(
      (prefix) => core.sseInfo((op & ~0x300) | (prefix << 8), 0, 2) || core.sseInfo((op & ~0x300) | (prefix << 8), 1, 2),
    );
    for (const mem of [false, true]) {
      const group = op >> 10 === 0 && (op & 0xff) >= 0x71 && (op & 0xff) <= 0x73;
      for (let reg = 0; reg < (group ? 8 : 1); reg++) {
        const info = core.sseInfo(op, mem ? 1 : 0, reg);
        const form = { op, mem, reg, wide: false, info };
        if (info === 0) {
          if (known) absent.push(group ? { ...form, info: C('INFO_GROUP') | C('INFO_IMM8') } : form);
          continue;
        }
        if (info & C('INFO_MASKMOV')) continue;
        forms.push(form);
        const gpr = [info & 7, (info >> 3) & 7].includes(C('CLASS_GPRW'));
        if (gpr) forms.push({ ...form, wide: true });
      }
    }
  }
  return { forms, absent };
}

export const { forms, absent } = allForms();

/* A small generator (mulberry32): the same cases in every run. */
let seed = 1;
export function reseed(): void {
  seed = 1;
}
export function random(): number {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return (t ^ (t >>> 14)) >>> 0;
}
export const below = (n: number): number => Math.floor((random() / 4294967296) * n);
const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;

/** Bytes of one record: struct machine of sse-oracle.c. */
export const RECORD = 128;
export const scratch = new DataView(new ArrayBuffer(8));
const SPECIAL32 = [
  0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f800001, 0xffa00000, 1, 0x80000001, 0x7fffff, 0x800000, 0x80800000,
  0x800001, 0x7f7fffff, 0xff7fffff, 0x3f800000, 0xbf800000, 0x3f000000, 0x3f7fffff, 0x4b000000, 0x4f000000, 0xcf000000, 0x4effffff,
  0x5f000000, 0xdf000000, 0x3fc00000, 0x40200000,
];
const SPECIAL64 = [
  0n,
  1n << 63n,
  0x7ff0n << 48n,
  0xfff0n << 48n,
  0x7ff8n << 48n,
  0xfff8000000012345n,
  0x7ff0000000000001n,
  0xfff4000000000000n,
  1n,
  (1n << 63n) | 1n,
  0xfffffffffffffn,
  0x10000000000000n,
  0x10000000000001n,
  0x8010000000000000n,
  0x7fefffffffffffffn,
  0xffefffffffffffffn,
  0x3ff0000000000000n,
  0xbff0000000000000n,
  0x3fe0000000000000n,
  0x41dfffffffc00000n,
  0x41e0000000000000n,
  0xc1e0000000000000n,
  0xc1e0000000200000n,
  0x41dfffffffe00000n,
  0x43e0000000000000n,
  0xc3e0000000000000n,
  0x43dfffffffffffffn,
  0x47efffffe0000000n,
  0x47effffff0000000n,
  0x380fffffffffffffn,
  0x3810000000000000n,
  0x36a0000000000000n,
  0x3690000000000000n,
];

/** `calm`: ordinary numbers only, so that whole vectors take the fast path; `memory`: where the memory operand stands. */
export const operands = { calm: false, memory: RAM as number };

export function single(view: DataView, offset: number): void {
  if (operands.calm) {
    view.setFloat32(offset, (below(2) ? 1 : -1) * (0.001 + random() / 2 ** 30), true);
    return;
  }
  const mantissa = below(2) ? random() & 0x7fffff : (random() & 0x7fffff & random() & random()) >>> 0;
  const sign = (random() & 0x80000000) >>> 0;
  const field = [random() & 0xff, 0x7e + below(4), 0x70 + below(0x20), below(0x20), 0xf0 + below(16), 0x3f + below(2), 0xbe + below(2), 0][
    below(8)
  ] as number;
  if (below(4) === 0) view.setUint32(offset, pick(SPECIAL32), true);
  else if (below(8) === 0) view.setFloat32(offset, below(2001) - 1000, true);
  else view.setUint32(offset, (sign | (field << 23) | mantissa) >>> 0, true);
}

export function double(view: DataView, offset: number): void {
  if (operands.calm) {
    view.setFloat64(offset, (below(2) ? 1 : -1) * (0.001 + random() / 2 ** 30 + random() / 2 ** 61), true);
    return;
  }
  const low = below(2) ? random() : 0;
  const high = below(2) ? random() & 0xfffff : random() & random() & 0xfffff;
  const sign = (random() & 0x80000000) >>> 0;
  const field = [
    random() & 0x7ff,
    0x3fe + below(4),
    0x3f0 + below(0x40),
    below(0x60),
    0x7e0 + below(0x20),
    0x1ff + below(2),
    0x5fe + below(2),
    0,
    0x36a + below(40),
    0x470 + below(20),
  ][below(10)] as number;
  if (below(4) === 0) view.setBigUint64(offset, pick(SPECIAL64), true);
  else if (below(8) === 0) view.setFloat64(offset, below(2001) - 1000, true);
  else if (below(12) === 0) view.setFloat64(offset, Math.fround((random() - 2 ** 31) / 2 ** below(60)), true);
  else {
    view.setUint32(offset, low, true);
    view.setUint32(offset + 4, (sign | (field << 20) | high) >>> 0, true);
  }
}

export function integer(view: DataView, offset: number): void {
  for (let i = 0; i < 8; i += 4) {
    view.setUint32(
      offset + i,
      pick([random(), random(), random() & 0x80ff7f01, 0, 0xffffffff, 0x80008000, 0x7fff7fff, random() & 0x3f, 0x80808080, 0x80000000]) >>>
        0,
      true,
    );
  }
}

export type Lanes = 'single' | 'double' | 'integer';

/** What the operands of an instruction hold. */
export function lanesOf(op: number): Lanes {
  const opcode = op & 0xff;
  const prefix = (op >> 8) & 3;
  const byPrefix: Lanes = prefix === 0 || prefix === 2 ? 'single' : 'double';
  if (op >> 10 === 2) return [0x08, 0x0a, 0x40].includes(opcode) ? 'single' : [0x09, 0x0b, 0x41].includes(opcode) ? 'double' : 'integer';
  if (op >> 10 === 1) return 'integer';
  if (opcode === 0x2a) return 'integer';
  if (opcode === 0x5b) return prefix === 0 ? 'integer' : 'single';
  if (opcode === 0xe6) return prefix === 2 ? 'integer' : 'double';
  if (opcode === 0x7c || opcode === 0x7d || opcode === 0xd0) return prefix === 1 ? 'double' : 'single';
  return (opcode >= 0x2c && opcode <= 0x2f) || (opcode >= 0x51 && opcode <= 0x5f) || opcode === 0xc2 ? byPrefix : 'integer';
}

/** Instructions that read MXCSR. */
export const isFloat = (op: number): boolean => lanesOf(op) !== 'integer' || (op >> 10 === 0 && [0x2a, 0x5b].includes(op & 0xff));

export function randomMxcsr(): number {
  switch (operands.calm ? below(2) : below(5)) {
    case 0:
      return 0x1f80;
    case 1:
      return 0x1fa0;
    case 2:
      return 0x1f80 | (random() & 0xe07f);
    case 3:
      return random() & 0xff80;
    default:
      return random() & 0xffff;
  }
}

/** Registers of a record to and from the vCPU's state; registers 0-2, memory at `operands.memory`. */
export function enter(record: Uint8Array): void {
  for (let i = 0; i < 3; i++) bytes.set(record.subarray(24 + 16 * i, 40 + 16 * i), at('XMM') + 32 * i);
  for (let i = 0; i < 2; i++) {
    bytes.set(record.subarray(72 + 8 * i, 80 + 8 * i), at('FPR') + 16 * (i + 1));
    memory.setUint16(at('FPR') + 16 * (i + 1) + 8, 0, true);
  }
  for (let i = 0; i < 3; i++) bytes.set(record.subarray(88 + 8 * i, 96 + 8 * i), at('REGS') + 8 * i);
  bytes.set(record.subarray(112, 128), operands.memory);
  bytes.set(record.subarray(16, 20), at('MXCSR'));
  memory.setUint32(at('EXC'), 0, true);
  memory.setUint32(at('RFLAGS'), 2, true);
  memory.setUint32(at('FLAG_OP'), 0, true);
}

export function leave(): Uint8Array {
  const out = new Uint8Array(RECORD);
  for (let i = 0; i < 3; i++) out.set(bytes.subarray(at('XMM') + 32 * i, at('XMM') + 32 * i + 16), 24 + 16 * i);
  for (let i = 0; i < 2; i++) out.set(bytes.subarray(at('FPR') + 16 * (i + 1), at('FPR') + 16 * (i + 1) + 8), 72 + 8 * i);
  for (let i = 0; i < 3; i++) out.set(bytes.subarray(at('REGS') + 8 * i, at('REGS') + 8 * i + 8), 88 + 8 * i);
  out.set(bytes.subarray(operands.memory, operands.memory + 16), 112);
  out.set(bytes.subarray(at('MXCSR'), at('MXCSR') + 4), 16);
  return out;
}

function addressOf(kind: number, number: number): number {
  if (kind === C('CLASS_XMM')) return at('XMM') + 32 * number;
  if (kind === C('CLASS_MMX')) return at('FPR') + 16 * number;
  if (kind === C('CLASS_NONE')) return 0;
  return at('REGS') + 8 * number;
}

/** Executes a form on the state that `enter` left. */
export function execute(form: Form, imm: number): void {
  const { info } = form;
  const reg = addressOf(info & 7, 1);
  const rm = form.mem ? operands.memory : addressOf((info >> 3) & 7, 2);
  const [dst, src] = info & C('INFO_STORE') ? [rm, reg] : [reg, rm];
  core.sseExec(CPU, form.op, dst, src, info & C('INFO_GROUP') ? imm | (form.reg << 8) : imm, form.wide ? 1 : 0);
}

/** The state every test starts from. */
export function fresh(): void {
  // OSXMMEXCPT: unmasked exceptions are #XM.
  memory.setBigUint64(at('CR4'), 0x600n, true);
  memory.setUint32(at('EXC'), 0, true);
  operands.memory = RAM;
  operands.calm = false;
  reseed();
}
