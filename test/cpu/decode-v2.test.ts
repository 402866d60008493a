/** Instructions that a CPUID table adds above SSE2: they work where it has them and are #UD where it has not. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultCpuid, type Feature, modelFeatures, Vm } from '../../vmm/index.ts';

const CODE = 0x1000;
const DATA = 0x3000;
const HANDLER = 0x800;
const LEVELS = [0, 1, 2, 3, 4];
const ADDED: readonly (readonly Feature[])[] = [['sse3'], ['ssse3'], ['sse4_1'], ['sse4_2', 'popcnt']];

/** x86-64-v1 with SIMD up to a level. */
const featuresAt = (level: number): Feature[] => [...modelFeatures('v1'), ...ADDED.slice(0, level).flat()];

/** A VM in real mode with SSE on, whose #UD handler is a HLT at HANDLER. */
function machine(level?: number): Vm {
  const vm = Vm.createSync({ memory: '1M', ...(level === undefined ? {} : { cpu: featuresAt(level) }) });
  vm.createVcpu(0);
  vm.ram.write(6 * 4, Uint8Array.of(HANDLER & 255, HANDLER >> 8, 0, 0));
  vm.ram.write(HANDLER, Uint8Array.of(0xf4));
  return vm;
}

/** Runs `code` up to its HLT; false when it ended in #UD. */
function run(vm: Vm, code: readonly number[], registers: Parameters<Vm['vcpus'][0]['setRegs']>[0] = {}): boolean {
  const vcpu = vm.vcpus[0] as Vm['vcpus'][0];
  vm.ram.write(CODE, Uint8Array.from([...code, 0xf4]));
  const { cs } = vcpu.getSregs();
  vcpu.setSregs({ cs: { ...cs, selector: 0, base: 0n }, cr0: 0x10n, cr4: 0x600n });
  vcpu.setRegs({ rflags: 2n, rsp: 0x7000n, ...registers, rip: BigInt(CODE) });
  vcpu.setEvents({ activity: 'active' });
  const exit = vcpu.run();
  if (exit.reason !== 'hlt') throw new Error(`${exit.reason}: ${exit.detail}`);
  return vcpu.getRegs().rip === BigInt(CODE + code.length + 1);
}
const registersOf = (vm: Vm): ReturnType<Vm['vcpus'][0]['getRegs']> => (vm.vcpus[0] as Vm['vcpus'][0]).getRegs();

/** One instruction of each extension, and the level it comes with. */
const FIRST: readonly [string, readonly number[], number][] = [
  ['movss', [0xf3, 0x0f, 0x10, 0xc1], 0],
  ['movddup', [0xf2, 0x0f, 0x12, 0xc1], 1],
  ['fisttp', [0xdb, 0x0e, 0x00, 0x30], 1],
  ['pabsb', [0x66, 0x0f, 0x38, 0x1c, 0xc1], 2],
  ['palignr mm', [0x0f, 0x3a, 0x0f, 0xc1, 4], 2],
  ['ptest', [0x66, 0x0f, 0x38, 0x17, 0xc1], 3],
  ['pcmpgtq', [0x66, 0x0f, 0x38, 0x37, 0xc1], 4],
  ['popcnt', [0xf3, 0x0f, 0xb8, 0xc1], 4],
  ['crc32', [0xf2, 0x0f, 0x38, 0xf0, 0xc1], 4],
];

test('the features decide what CPUID has and what is #UD', () => {
  for (const level of LEVELS) {
    const vm = machine(level);
    for (const [name, code, needs] of FIRST) assert.is(run(vm, code), level >= needs, `${name} at level ${level}`);
    const ecx = vm.cpuid.find((e) => e.leaf === 1)?.ecx ?? 0;
    const bits = [0, 9, 19, 20, 23].map((bit) => (ecx >>> bit) & 1);
    assert.equal(
      bits,
      [1, 2, 3, 4, 4].map((needs) => Number(level >= needs)),
    );
  }
});

test('the default has x86-64-v2', () => {
  const vm = machine();
  for (const [name, code] of FIRST) assert.ok(run(vm, code), name);
});

test('a new CPUID table changes what is decoded already', () => {
  const vm = machine(4);
  const popcnt = [0xf3, 0x0f, 0xb8, 0xc1];
  assert.ok(run(vm, popcnt));
  vm.setCpuid(defaultCpuid(0, 1, featuresAt(3)));
  assert.not(run(vm, popcnt));
  vm.setCpuid(defaultCpuid(0, 1, featuresAt(4)));
  assert.ok(run(vm, popcnt));
});

test('POPCNT counts, and leaves no flag but ZF', () => {
  const vm = machine();
  const all = 0x8d5n;
  // popcnt ecx, eax: the upper half goes; popcnt cx, [DATA]: the rest of rcx stays.
  assert.ok(run(vm, [0x66, 0xf3, 0x0f, 0xb8, 0xc8], { rax: 0xf0f0f001n, rcx: ~0n & 0xffffffffffffffffn, rflags: all | 2n }));
  assert.is(registersOf(vm).rcx, 13n);
  assert.is(registersOf(vm).rflags & all, 0n);
  vm.ram.write(DATA, Uint8Array.of(0, 0));
  assert.ok(run(vm, [0xf3, 0x0f, 0xb8, 0x0e, DATA & 255, DATA >> 8], { rcx: 0x1234ffffn, rflags: all | 2n }));
  assert.is(registersOf(vm).rcx, 0x12340000n);
  assert.is(registersOf(vm).rflags & all, 0x40n);
});

test('CRC32 is CRC-32C, from registers and memory of each size', () => {
  const vm = machine();
  const text = new TextEncoder().encode('123456789');
  vm.ram.write(DATA, text);
  // crc32 eax, dword [si]; crc32 eax, word [si+4]; crc32 eax, byte [si+6]; crc32 eax, bx
  const code = [
    0x66, 0xf2, 0x0f, 0x38, 0xf1, 0x04, 0xf2, 0x0f, 0x38, 0xf1, 0x44, 4, 0xf2, 0x0f, 0x38, 0xf0, 0x44, 6, 0xf2, 0x0f, 0x38, 0xf1, 0xc3,
  ];
  const rbx = BigInt((text[7] as number) | ((text[8] as number) << 8));
  assert.ok(run(vm, code, { rax: 0xffffffff_ffffffffn, rbx, rsi: BigInt(DATA), rflags: 0x8d7n }));
  // The check value of CRC-32C (RFC 3720, B.4), before its last inversion; flags are left alone.
  assert.is(registersOf(vm).rax, 0xffffffffn - 0xe3069283n);
  assert.is(registersOf(vm).rflags & 0x8d5n, 0x8d5n);
});

test('MASKMOVDQU and MASKMOVQ store at DS:rDI or where a segment override says', () => {
  const vm = machine();
  const vcpu = vm.vcpus[0] as Vm['vcpus'][0];
  const { es } = vcpu.getSregs();
  vcpu.setSregs({ es: { ...es, selector: 0x100, base: 0x1000n } });
  vm.ram.write(
    DATA - 0x100,
    Uint8Array.from({ length: 16 }, (_, i) => (i & 1 ? 0x80 : 0x7f)),
  );
  const load = [0xf3, 0x0f, 0x6f, 0x0e, (DATA - 0x100) & 255, (DATA - 0x100) >> 8];
  for (const [code, at, count] of [
    // pcmpeqb xmm0, xmm0; maskmovdqu xmm0, xmm1
    [[...load, 0x66, 0x0f, 0x74, 0xc0, 0x66, 0x0f, 0xf7, 0xc1], DATA, 16],
    [[...load, 0x66, 0x0f, 0x74, 0xc0, 0x26, 0x66, 0x0f, 0xf7, 0xc1], DATA + 0x1000, 16],
    // movdq2q mm1, xmm1; pcmpeqb mm0, mm0; maskmovq mm0, mm1, the address being of 16 bits
    [[...load, 0xf2, 0x0f, 0xd6, 0xc9, 0x0f, 0x74, 0xc0, 0x0f, 0xf7, 0xc1], DATA, 8],
  ] as const) {
    vm.ram.write(at, new Uint8Array(16));
    assert.ok(run(vm, code, { rdi: BigInt(DATA) | 0xabcd0000n }));
    const stored = new Uint8Array(16);
    vm.ram.read(at, stored);
    assert.equal(
      [...stored],
      Array.from({ length: 16 }, (_, i) => (i < count && i & 1 ? 0xff : 0)),
      `${at}, ${count} bytes`,
    );
  }
});

test.run();
