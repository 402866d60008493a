/**
 * The XSAVE feature set against the host's processor: areas written and states loaded, byte by byte, for components 0 to 2.
 *
 * The harness xsave-oracle.c is built when there is gcc on x86-64; without it, or without the instructions, the test is skipped in so many words.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CODE, FREE, Guest } from '../vmm/guest.ts';
import { generator } from './decode-random.ts';

const AREA = 896;
const INPUT = 16 + 2 * AREA;
const OUTPUT = 8 + 2 * AREA;
const CASES = 4000;
const COMPACTED = 1n << 63n;
const XRSTOR = 1;
const OPCODES = ['0f ae', '0f ae', '0f ae', '0f c7'];
const REG = [4, 5, 6, 4];

/** Where the guest has the state to load, the instruction's memory, the state after. */
const STATE = FREE;
const MEMORY = FREE + 0x1000;
const AFTER = FREE + 0x2000;

const random = generator(20261);
const below = (n: number): number => random() % n;

function oracle(): string | { skipped: string } {
  if (process.arch !== 'x64' || process.platform !== 'linux') return { skipped: 'the host is not x86-64 Linux' };
  const flags = new Set(
    readFileSync('/proc/cpuinfo', 'utf8')
      .match(/^flags.*$/m)?.[0]
      .split(' '),
  );
  for (const f of ['avx', 'xsaveopt', 'xsavec']) if (!flags.has(f)) return { skipped: `the host has no ${f}` };
  const folder = fileURLToPath(new URL('../../build/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const path = `${folder}xsave-oracle`;
  const built = spawnSync('gcc', ['-O1', '-o', path, fileURLToPath(new URL('./xsave-oracle.c', import.meta.url))], { encoding: 'utf8' });
  if (built.error || built.status !== 0) return { skipped: `gcc does not build it (${built.error?.message ?? built.stderr})` };
  return path;
}

/** An area of the standard format: all of `present` differs from its initial state. */
function fillArea(area: DataView, present: bigint): void {
  for (let i = 0; i < AREA; i++) area.setUint8(i, random());
  // With an unmasked exception waiting (none of these instructions minds), or without.
  const waiting = below(2);
  area.setUint16(0, 0x40 | (below(0x20) << 1) | (1 - waiting) | (below(16) << 8), true);
  area.setUint16(2, (below(8) << 11) | (waiting ? 0x8081 : 0), true);
  area.setUint8(5, 0);
  area.setUint16(6, below(0x800), true);
  // Pointers are canonical: other bits do not survive on every processor.
  for (const at of [14, 22]) area.setInt16(at, -below(2), true);
  for (const at of [13, 21]) area.setUint8(at, (area.getUint8(at) & 0x7f) | (area.getUint8(at + 1) & 0x80));
  area.setUint32(24, below(4) === 0 ? 0x1f80 : random() & 0xffbf, true);
  for (let i = 0; i < 64; i += 8) area.setBigUint64(512 + i, 0n, true);
  area.setBigUint64(512, present, true);
}

/** XSTATE_BV and XCOMP_BV for XRSTOR, and now and then what it refuses. */
function header(area: DataView): void {
  const compacted = below(2) === 0;
  const format = BigInt(below(8));
  area.setBigUint64(512, compacted ? format & BigInt(below(8)) : BigInt(below(8)), true);
  area.setBigUint64(520, compacted ? COMPACTED | format : 0n, true);
  // No processor has MPX any more, nor components 10, 62, 63.
  const flip = (at: number): void =>
    area.setBigUint64(at, area.getBigUint64(at, true) ^ (1n << BigInt([0, 1, 2, 3, 4, 10, 62, 63][below(8)] as number)), true);
  switch (below(12)) {
    case 0:
      flip(512);
      break;
    case 1:
      flip(520);
      break;
    case 2:
      area.setUint8(528 + below(48), 1 << below(8));
      break;
    case 3:
      area.setUint32(24, 0x1_0000 << (below(2) * 15), true);
      break;
    default:
  }
}

function writeCase(input: DataView): void {
  const instruction = below(4);
  input.setUint32(0, instruction, true);
  input.setUint32(4, below(2), true);
  input.setBigUint64(8, below(3) ? 7n : BigInt(below(8)), true);
  fillArea(new DataView(input.buffer, input.byteOffset + 16, AREA), BigInt(below(8)));
  const memory = new DataView(input.buffer, input.byteOffset + 16 + AREA, AREA);
  fillArea(memory, 0n);
  if (instruction === XRSTOR) header(memory);
  else for (let i = 512; i < 576; i++) memory.setUint8(i, random());
}

/** The same on the core. */
function execute(g: Guest, input: DataView): Uint8Array {
  const bytes = (at: number): Uint8Array => new Uint8Array(input.buffer, input.byteOffset + at, AREA);
  const instruction = input.getUint32(0, true);
  const code = `${input.getUint32(4, true) ? '48 ' : ''}${OPCODES[instruction]} ${(0x07 | ((REG[instruction] as number) << 3)).toString(16).padStart(2, '0')}`;
  g.put(STATE, bytes(16));
  g.put(MEMORY, bytes(16 + AREA));
  g.put(AFTER, new Uint8Array(AREA));
  // xrstor64 [rbx]; mov eax, ebp; mov edx, esi; the instruction on [rdi]; mov eax, 7; xor edx, edx; xsave64 [rcx]
  g.enter({ code: `48 0f ae 2b 89 e8 89 f2 ${code} b8 07 00 00 00 31 d2 48 0f ae 21 f4` });
  const { state } = g.vcpu;
  state.set('CR4', state.get('CR4') | 0x40000n);
  state.set('XCR0', 7n);
  const mask = input.getBigUint64(8, true);
  g.vcpu.setRegs({
    rax: 7n,
    rdx: 0n,
    rbx: BigInt(STATE),
    rdi: BigInt(MEMORY),
    rcx: BigInt(AFTER),
    rbp: mask & 0xffff_ffffn,
    rsi: mask >> 32n,
    rip: BigInt(CODE),
  });
  g.run(10_000_000);
  const out = new Uint8Array(OUTPUT);
  new DataView(out.buffer).setUint32(0, g.vector < 0 ? 0 : g.vector, true);
  out.set(g.vm.ram.view(MEMORY, AREA) as Uint8Array, 8);
  out.set(g.vm.ram.view(AFTER, AREA) as Uint8Array, 8 + AREA);
  return out;
}

/** Bytes that are each processor's own: MXCSR_MASK; and FOP, FIP, FDP, which AMD's saves and loads only while an exception waits (APM vol. 2, 11.4.4). */
function isOwn(area: Uint8Array, at: number): boolean {
  return (at >= 28 && at < 32) || (at >= 6 && at < 24 && ((area[2] as number) & 0x80) === 0);
}

function difference(input: DataView, host: Uint8Array, core: Uint8Array): string {
  const instruction = input.getUint32(0, true);
  const what = `${['xsave', 'xrstor', 'xsaveopt', 'xsavec'][instruction]}${input.getUint32(4, true) ? '64' : ''} mask ${input.getBigUint64(8, true)}, state ${input.getBigUint64(16 + 512, true)}, header ${input.getBigUint64(16 + AREA + 512, true).toString(16)} ${input.getBigUint64(16 + AREA + 520, true).toString(16)}`;
  if (host[0] !== core[0]) return `${what}: vector ${host[0]}, core ${core[0]}`;
  // After a fault the harness sees the signal handler's state.
  for (let i = 8; i < (host[0] ? 8 + AREA : OUTPUT); i++) {
    const at = (i - 8) % AREA;
    if (host[i] !== core[i] && !isOwn(core.subarray(i - at), at))
      return `${what}: byte ${at} of the ${i < 8 + AREA ? 'memory' : 'state'}: ${hexByte(host[i])}, core ${hexByte(core[i])}`;
  }
  return '';
}
const hexByte = (b: number | undefined): string => (b ?? 0).toString(16).padStart(2, '0');

const found = oracle();
if (typeof found !== 'string') {
  console.log(`xsave: comparison with the host's processor SKIPPED: ${found.skipped}`);
  test.skip('XSAVE, XRSTOR, XSAVEOPT and XSAVEC do what this processor does', () => {});
} else
  test('XSAVE, XRSTOR, XSAVEOPT and XSAVEC do what this processor does', () => {
    const inputs = new Uint8Array(CASES * INPUT);
    for (let i = 0; i < CASES; i++) writeCase(new DataView(inputs.buffer, i * INPUT, INPUT));
    const ran = spawnSync(found, [], { input: inputs, maxBuffer: 1 << 28 });
    assert.is(ran.status, 0, `the harness ended with ${ran.status ?? ran.signal}`);
    const outputs = new Uint8Array(ran.stdout);
    assert.is(outputs.length, CASES * OUTPUT);
    const g = new Guest({});
    const wrong = new Map<string, string>();
    const faults = [0, 0];
    for (let i = 0; i < CASES; i++) {
      const input = new DataView(inputs.buffer, i * INPUT, INPUT);
      const host = outputs.subarray(i * OUTPUT, (i + 1) * OUTPUT);
      const text = difference(input, host, execute(g, input));
      (faults[host[0] ? 1 : 0] as number)++;
      const kind = text.replace(/ mask.*?:/, '').replace(/: [0-9a-f]{2}, .*/, '');
      if (text !== '' && !wrong.has(kind)) wrong.set(kind, text);
    }
    assert.equal([...wrong.values()].slice(0, 20), []);
    assert.ok((faults[1] as number) > 50, 'some are refused');
  });

test.run();
