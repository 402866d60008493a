/**
 * Single x87 instructions on both sides: this machine's processor (x87oracle.c, through gcc) and the core.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AT, CPU, type X87 } from './x87core.ts';

const here = dirname(fileURLToPath(import.meta.url));

/** One instruction with everything it sees. `code` is opcode and ModRM (memory forms: mod 0, rm 6: [rsi]), perhaps behind 66 or 0F. */
export interface Case {
  readonly code: readonly number[];
  readonly flags: number;
  readonly image: Uint8Array;
  readonly memory: Uint8Array;
}

export interface Outcome {
  /** 0, or the vector: 6 #UD, 16 #MF. */
  readonly vector: number;
  readonly flags: number;
  readonly eax: number;
  readonly image: Uint8Array;
  readonly memory: Uint8Array;
}

/** Path of the oracle, built on first use; or why there is none. */
export function oracle(): { path: string } | { reason: string } {
  if (process.arch !== 'x64') return { reason: `no x86-64 processor here (${process.arch})` };
  const folder = join(here, '../../build/x87');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'oracle');
  const source = join(here, 'x87oracle.c');
  if (existsSync(path) && statSync(path).mtimeMs > statSync(source).mtimeMs) return { path };
  const built = spawnSync('gcc', ['-O1', '-o', `${path}.${process.pid}`, source], { encoding: 'utf8' });
  if (built.error) return { reason: 'no gcc' };
  if (built.status !== 0) return { reason: `gcc: ${built.stderr}` };
  renameSync(`${path}.${process.pid}`, path);
  return { path };
}

/** Runs all cases on this machine's processor. */
export function runOnHost(path: string, cases: readonly Case[]): Outcome[] {
  const size = cases.reduce((sum, c) => sum + 20 + 108 + c.memory.length, 0);
  const input = Buffer.alloc(size);
  let at = 0;
  for (const c of cases) {
    input.writeUInt32LE(c.code.length, at);
    input.set(c.code, at + 4);
    input.writeUInt32LE(c.flags, at + 12);
    input.writeUInt32LE(c.memory.length, at + 16);
    input.set(c.image, at + 20);
    input.set(c.memory, at + 128);
    at += 128 + c.memory.length;
  }
  const run = spawnSync(path, [], { input, maxBuffer: 1 << 30 });
  if (run.status !== 0) throw new Error(`oracle: status ${run.status} ${run.signal ?? ''}`);
  const out = run.stdout;
  at = 0;
  return cases.map((c) => {
    const signal = out.readUInt32LE(at);
    const memory = out.subarray(at + 128, at + 128 + c.memory.length);
    const outcome: Outcome = {
      vector: signal === 0 ? 0 : signal === 4 ? 6 : signal === 8 ? 16 : 13,
      flags: out.readUInt32LE(at + 4) & 0x8d5,
      eax: out.readUInt32LE(at + 8),
      image: out.subarray(at + 16, at + 124),
      memory,
    };
    at += 128 + c.memory.length;
    return outcome;
  });
}

/** Runs one case on the core: FRSTOR, the instruction, FNSAVE. */
export function runOnCore(x87: X87, c: Case): Outcome {
  const { fn, bytes } = x87;
  x87.set32('EXC', 0);
  fn.fninit(CPU);
  bytes.set(c.image, AT);
  fn.x87Mem(CPU, 5, 4, BigInt(AT), 3, 4);
  x87.set64('REGS', 0xa5a5a5a5n);
  fn.setFlags(CPU, c.flags & 0x8d5);
  const operand = AT + 0x400;
  bytes.set(c.memory, operand);
  const [opcode = 0, modrm = 0] = c.code.slice(-2);
  const op = (modrm >> 3) & 7;
  if (opcode === 0xae) fn[op === 0 ? 'fxsave' : 'fxrstor'](CPU, BigInt(operand), 4);
  else if (modrm >= 0xc0) fn.x87Reg(CPU, opcode & 7, modrm);
  else fn.x87Mem(CPU, opcode & 7, op, BigInt(operand), 3, c.code[0] === 0x66 ? 2 : 4);
  const fault = x87.fault();
  const flags = fn.getFlags(CPU);
  const eax = Number(x87.get64('REGS'));
  const memory = bytes.slice(operand, operand + c.memory.length);
  fn.x87Mem(CPU, 5, 6, BigInt(AT), 3, 4);
  return { vector: fault < 0 ? 0 : fault, flags, eax, image: bytes.slice(AT, AT + 108), memory };
}
