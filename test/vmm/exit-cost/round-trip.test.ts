/** The measuring guest, run here under a table of costs, measures that table back. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_EXIT_COSTS, type ExitCosts, loadExitCosts } from '../../../vmm/exit-cost.ts';
import { type Measurement, measuredTable, parseMeasurement } from '../../../vmm/exit-cost/measured.ts';
import { partsOf } from '../../../vmm/exit-cost/price.ts';
import { type CostTable, costTableFrom } from '../../../vmm/exit-cost/table.ts';
import { EXIT_REASON, exitReasonName } from '../../../vmm/exit-reason.ts';
import { Random } from '../../cpu/host-random.ts';
import { machineWith } from '../guests.ts';

const GUEST = readFileSync(new URL('../../../images/exit-cost/guest.elf', import.meta.url));
/** Instructions beside the one that exits, ns. */
const LOOP = 8;

function measure(exitCosts: ExitCosts): Measurement {
  const { machine, console } = machineWith(GUEST, { memory: '64M', debugExit: 0xf4, exitCosts, append: 'vm' });
  assert.equal(machine.run({ insns: 200_000_000 }), { kind: 'debug-exit', value: 0 });
  return parseMeasurement(console());
}

/** Kinds that the guest measures, by the reason and, where one answers, the device. */
const KINDS: readonly (readonly [number, string?])[] = [
  [EXIT_REASON.CPUID],
  [EXIT_REASON.VMCALL],
  [EXIT_REASON.HLT],
  [EXIT_REASON.INVD],
  [EXIT_REASON.WBINVD],
  [EXIT_REASON.XSETBV],
  [EXIT_REASON.CR_ACCESS],
  [EXIT_REASON.MSR_READ],
  [EXIT_REASON.MSR_WRITE],
  [EXIT_REASON.PENDING_INTERRUPT],
  [EXIT_REASON.EPT_VIOLATION],
  [EXIT_REASON.APIC_ACCESS, 'lapic'],
  [EXIT_REASON.EPT_MISCONFIG, 'ioapic'],
  ...['pic', 'pit', 'serial', 'rtc', 'i8042', 'port92', 'pci', 'pm', 'post', 'unclaimed'].map(
    (device) => [EXIT_REASON.IO_INSTRUCTION, device] as const,
  ),
];

function cost(table: CostTable, reason: number, device?: string): number {
  return partsOf(table, { name: '', reason, ...(device !== undefined && { device }) }).reduce((sum, part) => sum + part.typical, 0);
}

/** What differs between what was set and what was measured. */
function differences(costs: ExitCosts): string[] {
  const measurement = measure(costs);
  // The guest sees the end of 50 ms as late as its poll of port 61h takes.
  assert.ok(Math.abs(measurement.khz - 1_000_000) < 2000, `${measurement.khz} kHz`);
  const table = costTableFrom('measured', measuredTable(measurement));
  return KINDS.flatMap(([reason, device]) => {
    const set = (costs.reasons[reason] ?? costs.other) + (device === undefined ? 0 : (costs.devices[device] ?? costs.device));
    const got = cost(table, reason, device);
    return Math.abs(got - set) <= LOOP ? [] : [`${exitReasonName(reason)} ${device ?? ''}: set ${set}, measured ${got}`];
  });
}

test('the default table comes back', () => {
  assert.equal(differences(DEFAULT_EXIT_COSTS), []);
});

test('the table of a named processor comes back', () => {
  assert.equal(differences(loadExitCosts('zen5')), []);
});

test('random tables come back', () => {
  const random = new Random(5);
  const some = (): number => 300 + random.below(30_000);
  for (let i = 0; i < 3; i++) {
    const reasons = Object.fromEntries(Object.keys(DEFAULT_EXIT_COSTS.reasons).map((reason) => [reason, some()]));
    const devices = Object.fromEntries(Object.keys(DEFAULT_EXIT_COSTS.devices).map((device) => [device, some()]));
    assert.equal(differences({ reasons, other: some(), devices, device: some(), byte: 0 }), []);
  }
});

test('what does not exit says so', () => {
  const { reasons } = measuredTable(measure(DEFAULT_EXIT_COSTS)) as { reasons: Record<string, { typical: number; note?: string }> };
  assert.equal([reasons['DR_ACCESS']?.note, reasons['CPUID']?.note], ['no exit on this machine', undefined]);
});

test.run();
