/** Every MSR, every bit of it, against test/cpu/model/msrs.ts: which can be read and written, what is refused, and that there are no others. */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_FEATURES, defaultCpuid, type Feature, modelFeatures } from '../../vmm/cpu/cpuid.ts';
import { Guest } from '../vmm/guest.ts';
import { type Msr, msrs, setLinearBits, x2apicMsrs } from './model/msrs.ts';

const READ = 0x8000;
const WRITE = 0x8100;
let total = 0;

/** A guest at level 0 whose only deeds are RDMSR and WRMSR; nothing is set up anew between them. */
class Msrs {
  readonly g: Guest;
  cases = 0;

  constructor(features: readonly Feature[] = CORE_FEATURES) {
    this.g = new Guest({ code: '0f 32 cd 31' });
    this.g.vm.createIrqchip();
    this.g.put(WRITE, '0f 30 cd 31');
    this.g.vcpu.setCpuid(defaultCpuid(0, 1, features));
  }

  #go(at: number, index: number, value: bigint): boolean {
    const { g } = this;
    const s = g.vcpu.state;
    s.set('RIP', BigInt(at));
    s.set('REGS', 0x7000n, 4);
    s.set('REGS', BigInt(index), 1);
    s.set('REGS', value & 0xffff_ffffn, 0);
    s.set('REGS', value >> 32n, 2);
    s.set('ACTIVITY', 0n);
    this.cases++;
    assert.is(g.run().reason, 'hlt', g.vcpu.exit.detail);
    assert.ok(g.vector === 13 || g.vector === 0x31, `MSR ${index.toString(16)}: vector ${g.vector}`);
    return g.vector === 0x31;
  }

  read(index: number): bigint | undefined {
    return this.#go(READ, index, 0n) ? (this.g.reg(2) << 32n) | this.g.reg(0) : undefined;
  }

  write(index: number, value: bigint): boolean {
    return this.#go(WRITE, index, value);
  }

  check(msr: Msr): void {
    const { name, index, takes } = msr;
    const first = this.read(index);
    assert.is(first !== undefined, msr.readable, `${name} (${index.toString(16)}) can be read: ${msr.readable}`);
    if (takes === undefined) {
      assert.is(this.write(index, first as bigint), false, `${name} is read-only`);
      return;
    }
    const good = msr.good ?? 0n;
    for (const value of values(good)) {
      assert.is(this.write(index, good), true, `${name} takes ${good.toString(16)}`);
      const taken = takes(value);
      assert.is(
        this.write(index, value),
        taken,
        `${name} (${index.toString(16)}) = ${value.toString(16)} is ${taken ? 'taken' : 'refused'}`,
      );
      if (!msr.readable || msr.keeps === 'other') continue;
      const kept = taken ? value : good;
      assert.is(this.read(index), msr.keeps === undefined ? kept : msr.keeps(kept), `${name} after ${value.toString(16)}`);
    }
    if (first !== undefined && msr.keeps === undefined) this.write(index, first);
  }

  done(): void {
    total += this.cases;
    process.stdout.write(`${this.cases} cases, ${total} so far\n`);
  }
}

/** A good value with each bit flipped, each byte replaced by small numbers, and addresses at the edges of what is canonical. */
function* values(good: bigint): Generator<bigint> {
  yield good;
  for (let bit = 0n; bit < 64n; bit++) yield good ^ (1n << bit);
  for (let byte = 0n; byte < 64n; byte += 8n) for (let v = 0n; v < 16n; v++) yield (good & ~(0xffn << byte)) | (v << byte);
  for (const bits of [47n, 48n, 56n, 57n, 63n]) {
    for (const edge of [(1n << bits) - 1n, 1n << bits, BigInt.asUintN(64, -(1n << bits)), BigInt.asUintN(64, -(1n << bits) - 1n)])
      yield edge;
  }
}

/**
 * Also there: IA32_APIC_BASE (below), IA32_FEATURE_CONTROL, IA32_MCG_CTL, IA32_MISC_ENABLE, IA32_DEBUGCTL and the last branch and interrupt
 * records of the family.
 */
const ALSO = ['1b', '3a', '17b', '1a0', '1d9', '1db', '1dc', '1dd', '1de'];

const linear = (features: readonly Feature[]): number => (features.includes('la57') ? 57 : 48);

/** Banks and variable ranges, as MCG_CAP and MTRRCAP say. */
function listed(m: Msrs, features: readonly Feature[]): readonly Msr[] {
  setLinearBits(linear(features));
  const banks = Number((m.read(0x179) as bigint) & 0xffn);
  const variable = Number((m.read(0xfe) as bigint) & 0xffn);
  return msrs(banks, variable).filter((msr) => msr.needs === undefined || features.includes(msr.needs));
}

for (const model of ['v2', 'max'] as const) {
  test(`MSRs: every bit of each, processor ${model}`, () => {
    const features = modelFeatures(model);
    const m = new Msrs(features);
    const problems: string[] = [];
    for (const msr of listed(m, features)) {
      try {
        m.check(msr);
      } catch (error) {
        problems.push((error as Error).message);
      }
    }
    assert.equal(problems, []);
    m.done();
  });

  test(`MSRs: there are no others, processor ${model}`, () => {
    const features = modelFeatures(model);
    const m = new Msrs(features);
    const known = new Map(listed(m, features).map((msr) => [msr.index, msr]));
    const others: string[] = [];
    for (const [from, to] of [
      [0, 0x2000],
      [0x4000_0000, 0x4000_0100],
      [0xc000_0000, 0xc000_0200],
      [0xc001_0000, 0xc001_0200],
    ] as const) {
      for (let index = from; index < to; index++) {
        if (known.has(index)) continue;
        if (m.read(index) !== undefined) others.push(index.toString(16));
      }
    }
    assert.equal(others, ALSO);
    m.done();
  });
}

test('x2APIC: which registers are MSRs, every bit of each; IA32_APIC_BASE by its states', () => {
  const m = new Msrs();
  const base = m.read(0x1b) as bigint;
  // Without x2APIC mode there is none.
  for (let index = 0x800; index < 0x900; index++) {
    assert.is(m.read(index), undefined, `MSR ${index.toString(16)} in xAPIC mode`);
    assert.is(m.write(index, 0n), false);
  }
  const [EN, EXTD] = [0x800n, 0x400n];
  const place = base & ~(EN | EXTD);
  const set = (bits: bigint): boolean => m.write(0x1b, place | bits);
  // Figure 12-27: from disabled, xAPIC and x2APIC to each.
  assert.is(set(EN), true);
  assert.is(set(EXTD), false, 'EXTD without EN');
  assert.is(set(EN | EXTD), true, 'xAPIC to x2APIC');
  assert.is(set(EN), false, 'x2APIC to xAPIC');
  assert.is(set(EXTD), false, 'x2APIC to EXTD without EN');
  assert.is(set(EN | EXTD), true, 'x2APIC stays');
  assert.is(set(0n), true, 'x2APIC to disabled');
  assert.is(set(EN | EXTD), false, 'disabled to x2APIC');
  assert.is(set(EXTD), false, 'disabled to EXTD without EN');
  assert.is(set(EN), true, 'disabled to xAPIC');
  for (let bit = 0n; bit < 64n; bit++) {
    if (bit === 10n || bit === 11n) continue;
    const good = bit === 8n || (bit >= 12n && bit < 40n);
    assert.is(m.write(0x1b, base ^ (1n << bit)), good, `IA32_APIC_BASE bit ${bit}`);
    assert.is(m.write(0x1b, base), true);
  }
  assert.is(set(EN | EXTD), true);
  const known = new Map(x2apicMsrs().map((msr) => [msr.index, msr]));
  const problems: string[] = [];
  for (let index = 0x800; index < 0x900; index++) {
    const msr = known.get(index);
    try {
      if (msr !== undefined) m.check(msr);
      else {
        assert.is(m.read(index), undefined, `MSR ${index.toString(16)} is not there`);
        assert.is(m.write(index, 0n), false, `MSR ${index.toString(16)} is not there`);
      }
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  assert.equal(problems, []);
  m.done();
});

test('MSRs are for level 0', () => {
  for (const code of ['0f 32', '0f 30']) {
    for (const mode of ['long', 'compat', 'paged32', 'pae', 'prot32'] as const) {
      const g = new Guest({ mode, cpl: 3, code: `b9 10 00 00 00 ${code} cd 31` });
      assert.is(g.run().reason, 'hlt');
      assert.is(g.vector, 13);
    }
  }
});
test.run();
