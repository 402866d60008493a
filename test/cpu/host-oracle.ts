/**
 * The host's side of host.test.ts: host-oracle.c, built with gcc where there is one, and its files.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { CODE, ENTRIES, IN, LONG, MAPS, type Mode, OPERANDS, OUT, type Shape, shape } from './host-layout.ts';

const folder = fileURLToPath(new URL('../../build/host/', import.meta.url));
const source = fileURLToPath(new URL('./host-oracle.c', import.meta.url));
// Bound at once: the lazy binding of a library's function uses the FS that cases have.
const FLAGS = ['-O2', '-mno-red-zone', '-fno-stack-protector', '-fcf-protection=none', '-Wl,-z,now'];

const HEADER = 4096;
const HEADER_MAGIC = 0x314f484c;
const PROT = { READ: 1, WRITE: 2, EXEC: 4 } as const;

/** The oracle cannot run here. */
export interface Absent {
  readonly reason: string;
}

/** Path of the oracle, built on first use; or why there is none. LUCID_ANY_HOST=1 tries processors whose own ways are not in host-undefined.ts. */
export function findOracle(): { path: string } | Absent {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return { reason: `this is ${process.platform} on ${process.arch}, not Linux on x86-64` };
  const model = cpus()[0]?.model ?? 'unknown';
  if (!model.includes('AMD') && process.env['LUCID_ANY_HOST'] !== '1')
    return { reason: `what is this processor's own is not known: ${model}` };
  mkdirSync(folder, { recursive: true });
  const path = `${folder}oracle`;
  if (existsSync(path) && statSync(path).mtimeMs > statSync(source).mtimeMs) return { path };
  const built = spawnSync('gcc', [...FLAGS, '-o', `${path}.${process.pid}`, source], { encoding: 'utf8' });
  if (built.error) return { reason: 'there is no gcc' };
  if (built.status !== 0) return { reason: `gcc: ${built.stderr}` };
  renameSync(`${path}.${process.pid}`, path);
  return { path };
}

const GENERAL_PROTECTION = 13;

/** Whether this kernel runs code of a mode: one HLT, which faults at once, with the right error code. Throws where the oracle cannot work at all. */
export function hasMode(path: string, mode: Mode): boolean {
  const s = shape(mode, OPERANDS, 8);
  const inputs = new Uint8Array(s.inputSize);
  const input = new DataView(inputs.buffer);
  // 16-bit code has a segment base of its own.
  const rip = mode.bits === 64 ? CODE : CODE - (mode.segments[1]?.base ?? 0);
  input.setUint32(IN.RIP, rip, true);
  input.setUint32(IN.CODE_AT, CODE, true);
  try {
    const { outputs } = runOnHost(path, s, inputs, 1);
    const output = new DataView(outputs.buffer, outputs.byteOffset);
    return output.getUint32(OUT.VECTOR, true) === GENERAL_PROTECTION && output.getUint32(OUT.ERROR, true) === 0;
  } catch (error) {
    if (error instanceof NoSegments && mode !== LONG) return false;
    throw error;
  }
}

/** The kernel does not let programs have segments of their own (modify_ldt). */
export class NoSegments extends Error {
  override readonly name = 'NoSegments';
}

/** The oracle ended without outcomes: a case that never ends, or one that changed the oracle itself. */
export class HostFailed extends Error {
  override readonly name = 'HostFailed';
}

function header(s: Shape, cases: number, checkEach: boolean): Uint8Array {
  const words = new Uint32Array(HEADER / 4);
  const [es, cs, ss, ds, fs, gs] = s.mode.segments.map((x) => x.selector);
  // 64-bit code needs none; some kernels refuse 16-bit segments.
  const entries = s.mode.bits === 64 ? [] : ENTRIES;
  const head = [
    HEADER_MAGIC,
    cases,
    s.inputSize,
    s.outputSize,
    s.codeRoom,
    MAPS.length,
    s.windows.length,
    entries.length,
    checkEach ? 1 : 0,
  ];
  let n = 0;
  const put = (...values: (number | undefined)[]) => {
    for (const v of values) words[n++] = v ?? 0;
  };
  const base = (i: number) => s.mode.segments[i]?.base ?? 0;
  put(...head, cs, ss, ds, es, fs, gs, base(4), base(5));
  for (const m of MAPS) put(m.address, m.length, PROT.READ | (m.write ? PROT.WRITE : 0) | (m.execute ? PROT.EXEC : 0));
  n = 17 + 16 * 3;
  for (const w of s.windows) put(w.address, w.length);
  n = 17 + 16 * 3 + 24 * 2;
  for (const e of entries) put(e.number, e.base, e.limit, e.bits);
  return new Uint8Array(words.buffer);
}

/** Outcomes of all cases on this machine's processor, and a changed address outside the windows (0: none). Throws when the oracle fails. */
export function runOnHost(
  path: string,
  s: Shape,
  inputs: Uint8Array,
  cases: number,
  checkEach = false,
): { outputs: Uint8Array; stray: number } {
  const name = `${folder}${process.pid}`;
  writeFileSync(`${name}.in`, Buffer.concat([header(s, cases, checkEach), inputs.subarray(0, cases * s.inputSize)]));
  try {
    const run = spawnSync(path, [`${name}.in`, `${name}.out`], { encoding: 'utf8' });
    if (run.status === 3) throw new NoSegments('this kernel has no LDT');
    if (run.signal === 'SIGXCPU') throw new HostFailed('a case never ends: the generator is wrong');
    if (run.status !== 0) throw new HostFailed(`the oracle ended with ${run.signal ?? `status ${run.status}`}`);
    const out = readFileSync(`${name}.out`);
    return { outputs: out.subarray(0, cases * s.outputSize), stray: out.readUInt32LE(cases * s.outputSize) };
  } finally {
    rmSync(`${name}.in`, { force: true });
    rmSync(`${name}.out`, { force: true });
  }
}
