/**
 * The x87 part of the CPU core by itself: compiled over flat memory, for tests that compare single instructions.
 *
 * Leaves out paging: addresses below `limit` are bytes of the WebAssembly memory, those above fault. Built into build/x87.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { offsetOf, STATE_SIZE } from '../../vmm/cpu/layout.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const core = join(root, 'vmm/cpu/core');
const SOURCES = [
  'x87.ts',
  'float80.ts',
  'x87convert.ts',
  'x87math.ts',
  'x87mem.ts',
  'x87response.ts',
  'x87state.ts',
  'fault.ts',
  'flags.ts',
  'state.gen.ts',
];

const FLAT_MMU = `
import { raisePageFault } from './fault';
export const A_READ: u32 = 0;
export const A_STACK: u32 = 8;
let limit: u64 = 0x100000;
export function setLimit(value: u32): void { limit = value; }
export function probeRead(cpu: usize, lin: u64, size: u32, kind: u32): void { if (lin + size > limit) raisePageFault(cpu, lin, 0); }
export function probeWrite(cpu: usize, lin: u64, size: u32, kind: u32): void { if (lin + size > limit) raisePageFault(cpu, lin, 2); }
export function probeOperand(cpu: usize, lin: u64, size: u32, kind: u32): void { probeWrite(cpu, lin, size, kind); }
export function readMem(cpu: usize, lin: u64, size: u32, kind: u32): u64 {
  probeRead(cpu, lin, size, kind);
  if (lin + size > limit) return 0;
  const at = <usize>lin;
  return size == 1 ? <u64>load<u8>(at) : size == 2 ? <u64>load<u16>(at) : size == 4 ? <u64>load<u32>(at) : load<u64>(at);
}
export function writeMem(cpu: usize, lin: u64, size: u32, value: u64, kind: u32): void {
  probeWrite(cpu, lin, size, kind);
  if (lin + size > limit) return;
  const at = <usize>lin;
  if (size == 1) store<u8>(at, <u8>value);
  else if (size == 2) store<u16>(at, <u16>value);
  else if (size == 4) store<u32>(at, <u32>value);
  else store<u64>(at, value);
}
`;

const ENTRY = `
import { getArith, setArith } from './flags';
export { setLimit } from './mmu';
export { x87Reg, x87Mem, fwait, fxsave, fxrstor, mmxEnter, emms, fninit } from './x87';
export function setFlags(cpu: usize, flags: u32): void { setArith(cpu, flags); }
export function getFlags(cpu: usize): u32 { return getArith(cpu); }
`;

interface Exports {
  setLimit(limit: number): void;
  x87Reg(cpu: number, esc: number, modrm: number): void;
  x87Mem(cpu: number, esc: number, reg: number, lin: bigint, seg: number, osz: number): void;
  fwait(cpu: number): void;
  fxsave(cpu: number, lin: bigint, osz: number): void;
  fxrstor(cpu: number, lin: bigint, osz: number): void;
  mmxEnter(cpu: number): number;
  emms(cpu: number): number;
  fninit(cpu: number): void;
  setFlags(cpu: number, flags: number): void;
  getFlags(cpu: number): number;
}

/** Where the vCPU's state and the test's memory stand. */
export const CPU = 0x40000;
export const AT = 0x50000;

export interface X87 {
  readonly fn: Exports;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** FERR# reports so far. */
  ferrs: number;
  /** A vCPU in 64-bit mode with CR0.NE set, everything else 0. */
  reset(): void;
  get16(field: string): number;
  get32(field: string): number;
  get64(field: string, index?: number): bigint;
  set16(field: string, value: number): void;
  set32(field: string, value: number): void;
  set64(field: string, value: bigint, index?: number): void;
  /** The vector raised since the last reset of EXC, or -1. */
  fault(): number;
}

/** The module, compiled once for each state of the sources; two tests may do so at the same time. */
async function compile(): Promise<Buffer> {
  const files = new Map(SOURCES.map((name) => [name, readFileSync(join(core, name), 'utf8')]));
  files.set('mmu.ts', FLAT_MMU);
  files.set('env.ts', 'export declare function ferr(cpu: usize): void;\n');
  files.set('index.ts', ENTRY);
  const hash = createHash('sha256')
    .update(JSON.stringify([...files]))
    .digest('hex')
    .slice(0, 16);
  const built = join(root, 'build/x87', `${hash}.wasm`);
  if (existsSync(built)) return readFileSync(built);
  mkdirSync(dirname(built), { recursive: true });
  const folder = mkdtempSync(join(root, 'build/x87', 'compile-'));
  try {
    for (const [name, text] of files) writeFileSync(join(folder, name), text);
    const flags = ['-O2', '--runtime', 'stub', '--importMemory', '--sharedMemory', '--initialMemory', '16', '--maximumMemory', '16'];
    const features = ['--memoryBase', '65536', '--enable', 'threads,simd,bulk-memory', '--noAssert', '--baseDir', folder];
    const { error, stderr } = await asc.main(['index.ts', '-o', 'x87.wasm', ...flags, ...features]);
    if (error) throw new Error(stderr.toString());
    renameSync(join(folder, 'x87.wasm'), built);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return readFileSync(built);
}

export async function loadX87(): Promise<X87> {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
  const bytes = new Uint8Array(memory.buffer);
  const view = new DataView(memory.buffer);
  const module = await WebAssembly.compile(new Uint8Array(await compile()));
  const at = (field: string, index = 0) => CPU + offsetOf(field, index);
  const x87: X87 = {
    fn: undefined as unknown as Exports,
    bytes,
    view,
    ferrs: 0,
    reset() {
      bytes.fill(0, CPU, CPU + STATE_SIZE);
      this.set64('CR0', 0x21n);
      this.set32('PROT', 1);
      this.set32('MODE', 2);
      this.fn.setLimit(0x100000);
      this.fn.fninit(CPU);
    },
    get16: (field) => view.getUint16(at(field), true),
    get32: (field) => view.getUint32(at(field), true),
    get64: (field, index) => view.getBigUint64(at(field, index), true),
    set16: (field, value) => view.setUint16(at(field), value, true),
    set32: (field, value) => view.setUint32(at(field), value, true),
    set64: (field, value, index) => view.setBigUint64(at(field, index), value, true),
    fault() {
      const exc = view.getUint32(at('EXC'), true);
      view.setUint32(at('EXC'), 0, true);
      return exc === 0 ? -1 : exc & 0xff;
    },
  };
  const env = {
    memory,
    ferr: () => {
      x87.ferrs++;
    },
  };
  const instance = await WebAssembly.instantiate(module, { env });
  const fn = instance.exports as unknown as Exports;
  (x87 as { fn: Exports }).fn = fn;
  x87.reset();
  return x87;
}
