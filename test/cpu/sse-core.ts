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
import { reseed, values } from './simd-values.ts';

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

/** Bytes of one record: struct machine of sse-oracle.c. */
export const RECORD = 128;
export const scratch = new DataView(new ArrayBuffer(8));
/** Where the memory operand stands. */
export const operands = { memory: RAM as number };

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
  values.calm = false;
  reseed();
}
