/** vmregs[] and uregs[]: what a clause sees at a firing is what the monitor's API says of the vCPU. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FAULT } from '../../../probes/arena.ts';
import { UNSIGNED_LONG } from '../../../probes/d/ctype.ts';
import type { Expression } from '../../../probes/d/tree.ts';
import { listen } from '../../../probes/points.ts';
import { UREGS, VMCS_FIELDS } from '../../../probes/vmcs.ts';
import { EXIT_REASON as R } from '../../../vmm/index.ts';
import { clause, integer, program, trace } from '../d/codegen/nodes.ts';
import { CODE, Guest, le, type Mode } from '../../vmm/guest.ts';
import { probe, Traced } from './traced.ts';

const test = suite('registers');

test.after.each(() => {
  listen(null);
});

const register = (set: 'vmregs' | 'uregs', index: number): Expression => ({
  op: 'register',
  set,
  index: integer(index),
  type: UNSIGNED_LONG,
  line: 1,
});

/** Every register at the first kvm-pio, by the name of the set and its index; undefined = it faults. */
function atPio(g: Guest): Map<string, bigint | undefined> {
  const all = [...VMCS_FIELDS.map((f) => ['vmregs', f.encoding] as const), ...UREGS.map((u) => ['uregs', u.index] as const)];
  const p = new Traced(g.vm).enable(program(all.map(([set, index]) => clause(probe('kvm-pio'), [trace(register(set, index))]))));
  g.run(1000);
  const seen = new Map<string, bigint | undefined>();
  for (const record of p.records()) {
    const epid = record.name === 'fault' ? Number(record.data[0]) : record.epid;
    const [set, index] = all[epid - 1] as (typeof all)[number];
    if (record.name === 'fault') assert.is(record.data[3], BigInt(FAULT.ILLOP));
    seen.set(`${set} ${index}`, record.name === 'fault' ? undefined : (record.data[0] as bigint));
  }
  assert.is(seen.size, new Set(all.map((a) => a.join())).size);
  return seen;
}

const mov = (n: number, value: number): string => `${le(0xb8 + n, 1)} ${le(value, 4)}`;
/** Registers of different values, flags from a subtraction that borrows. */
const SETTLE = `${[0, 1, 2, 3, 5, 6, 7].map((n) => mov(n, 0x1111 * (n + 1))).join(' ')} 3d 00 00 01 00 e6 80 f4`;

for (const mode of ['prot32', 'paged32', 'pae', 'long', 'compat'] as const satisfies readonly Mode[]) {
  test(`${mode}: what the API says of the vCPU`, () => {
    const g = new Guest({ code: SETTLE, mode, unclaimed: 'float' });
    g.touchAll();
    const seen = atPio(g);
    const regs = g.vcpu.getRegs();
    const sregs = g.vcpu.getSregs();
    const field = (name: string): bigint | undefined => seen.get(`vmregs ${VMCS_FIELDS.find((f) => f.name === `VMX_${name}`)?.encoding}`);
    const ureg = (name: string): bigint | undefined => seen.get(`uregs ${UREGS.find((u) => u.names.includes(name))?.index}`);
    const at = BigInt(CODE + 7 * 5 + 5);
    for (const name of ['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp', 'r8', 'r15'] as const) {
      assert.is(ureg(`R_${name.toUpperCase()}`), regs[name], name);
    }
    assert.equal([field('GUEST_RIP'), ureg('R_RIP'), field('GUEST_RSP')], [at, at, regs.rsp]);
    assert.equal([field('GUEST_RFLAGS'), ureg('R_RFL')], [regs.rflags, regs.rflags]);
    assert.is(regs.rflags & 0x81n, 0x81n, 'CF and SF');
    for (const name of ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const) {
      const { selector, base, limit, accessRights } = sregs[name];
      const of = (what: string): bigint | undefined => field(`GUEST_${name.toUpperCase()}_${what}`);
      assert.equal(
        [of('SELECTOR'), of('BASE'), of('LIMIT'), of('AR_BYTES')],
        [BigInt(selector), base, BigInt(limit), BigInt(accessRights)],
        name,
      );
    }
    assert.equal([field('GUEST_GDTR_BASE'), field('GUEST_GDTR_LIMIT')], [sregs.gdtr.base, BigInt(sregs.gdtr.limit)]);
    assert.equal([field('GUEST_IDTR_BASE'), field('GUEST_IDTR_LIMIT')], [sregs.idtr.base, BigInt(sregs.idtr.limit)]);
    for (const name of ['cr0', 'cr3', 'cr4'] as const) assert.is(field(`GUEST_${name.toUpperCase()}`), sregs[name], name);
    assert.is(field('GUEST_IA32_EFER'), sregs.efer);
    assert.equal([field('VM_EXIT_REASON'), field('VM_EXIT_INSTRUCTION_LEN')], [BigInt(R.IO_INSTRUCTION), 2n]);
    // OUT of a byte by an immediate operand to port 80h.
    assert.is(field('EXIT_QUALIFICATION'), 0x80_0040n);
    assert.equal([field('GUEST_ACTIVITY_STATE'), field('GUEST_INTERRUPTIBILITY_INFO'), field('VIRTUAL_PROCESSOR_ID')], [0n, 0n, 1n]);
    assert.is(field('HOST_RIP'), undefined);
  });
}

test('STI blocks for one instruction, which the interruptibility tells', () => {
  const g = new Guest({ code: 'fb e6 80 f4', unclaimed: 'float' });
  g.touchAll();
  const p = new Traced(g.vm).enable(program([clause(probe('kvm-pio'), [trace(register('vmregs', 0x4824))])]));
  g.run(1000);
  assert.equal(p.records()[0]?.data, [1n]);
});

test.run();
