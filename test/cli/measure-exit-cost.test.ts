/** `lucid measure-exit-cost`: QEMU without KVM shows that the mechanics work; what it cannot do is told. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MeasurementError, measuredTable, parseMeasurement } from '../../vmm/exit-cost/measured.ts';
import { costTableFrom } from '../../vmm/exit-cost/table.ts';
import { EXIT_REASON } from '../../vmm/exit-reason.ts';
import { Random } from '../cpu/host-random.ts';
import { type Finished, finished, runtimePlace, start } from './stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-measure-'));
const test = suite('lucid measure-exit-cost');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

const lucid = (...args: string[]): Promise<Finished> => finished(start('lucid', args, place.xdg));
const at = (name: string): string => join(folder, name);
const hasQemu = spawnSync('qemu-system-x86_64', ['--version']).status === 0;

const CONSOLE = `exit-cost brand   A processor  @ 2.00GHz
exit-cost hypervisor KVMKVMKVM
exit-cost tsc-khz 2000000
exit-cost nothing rounds 1000 min 40 median 42 p99 60
exit-cost cpuid rounds 1000 min 1000 median 1100 p99 1500
exit-cost vmcall skip
exit-cost in-pic rounds 1000 min 1800 median 2000 p99 2500
exit-cost in-serial rounds 1000 min 9000 median 10000 p99 20000
exit-cost out-serial rounds 1000 min 9500 median 10500 p99 30000
exit-cost lapic-eoi rounds 1000 min 10 median 20 p99 40
exit-cost window rounds 1000 min 900 median 1000 p99 1100
exit-cost hlt rounds 1000 min 2900 median 3000 p99 3600
exit-cost hlt-wake rounds 1000 min 0 median 500 p99 9000
exit-cost end
`;

test('a console becomes a table: sums of parts are what was measured', async () => {
  writeFileSync(at('console'), CONSOLE.replaceAll('\n', '\r\n'));
  const { status, err } = await lucid('measure-exit-cost', '--from', at('console'), '--out', at('t.json'), '--date', '2025-01-02');
  assert.is(status, 0, err);
  assert.is(err, `lucid: ${at('t.json')}: A processor  @ 2.00GHz\n`);
  const table = costTableFrom('t', JSON.parse(readFileSync(at('t.json'), 'utf8')));
  assert.equal(
    [table.processor, table.hypervisor, table.ghz, table.hardware, table.date],
    ['A processor  @ 2.00GHz', 'KVMKVMKVM', 2, true, '2025-01-02'],
  );
  const bounds = (cost: { low: number; typical: number; high: number } | undefined): unknown => cost && [cost.low, cost.typical, cost.high];
  assert.equal(bounds(table.reasons.get(EXIT_REASON.CPUID)), [1000, 1100, 1500]);
  assert.equal(bounds(table.reasons.get(EXIT_REASON.IO_INSTRUCTION)), [1800, 2000, 2500]);
  assert.equal(bounds(table.devices.get('pic')), [0, 0, 0]);
  assert.equal(bounds(table.devices.get('serial')), [7200, 8500, 27_500]);
  assert.equal(bounds(table.device), [7200, 8500, 27_500]);
  assert.equal(bounds(table.reasons.get(EXIT_REASON.HLT)), [2000, 2500, 11_500]);
  assert.is([...table.causes.values()][0]?.note, 'no exit on this machine');
  assert.is(table.reasons.get(EXIT_REASON.VMCALL)?.basis, 'scaled');
});

test('a console that is damaged is a table or is refused', () => {
  const random = new Random(3);
  let tables = 0;
  for (let i = 0; i < 2000; i++) {
    const bytes = Buffer.from(CONSOLE);
    for (let n = random.below(8); n > 0; n--) bytes[random.below(bytes.length)] = random.below(256);
    const text = bytes.subarray(0, random.below(2) === 0 ? bytes.length : random.below(bytes.length)).toString('latin1');
    try {
      costTableFrom('t', measuredTable(parseMeasurement(text)));
      tables++;
    } catch (error) {
      assert.instance(error, MeasurementError, (error as Error).stack);
    }
  }
  assert.ok(tables > 100);
});

if (hasQemu) {
  test('QEMU without KVM measures, and the table says that it is of no hardware', async () => {
    const { status, out, err } = await lucid('measure-exit-cost', '--accel', 'tcg');
    assert.is(status, 0, err);
    const table = costTableFrom('t', JSON.parse(out));
    assert.is(table.hardware, false);
    assert.match(table.hypervisor ?? '', /^QEMU \d.*, TCG$/);
    for (const reason of [EXIT_REASON.CPUID, EXIT_REASON.IO_INSTRUCTION, EXIT_REASON.EPT_VIOLATION, EXIT_REASON.HLT])
      assert.is(table.reasons.get(reason)?.source, 'here');
  });
} else {
  process.stdout.write('QEMU is not installed: measuring under it is not tried\n');
  test.skip('QEMU without KVM measures, and the table says that it is of no hardware', () => {});
}

test('what cannot be is told in one line', async () => {
  writeFileSync(at('cut'), CONSOLE.slice(0, 300));
  const cases: [string[], RegExp][] = [
    [['--from', at('cut')], /^lucid: --from \S+cut: there is no line 'exit-cost end': the measuring guest did not come to its end\n$/],
    [['--from', at('nix')], /^lucid: --from \S+nix: No such file or directory\n$/],
    [['--accel', 'tcg', '--qemu', at('nix')], /^lucid: --qemu \S+nix: .*; Debian has it in qemu-system-x86; /],
    [['--accel', 'tcg', '--qemu', 'true'], /^lucid: --qemu true: ended with status 0 before the guest did\n$/],
    [['--from', at('console'), '--out', at('nix/t.json')], /^lucid: --out \S+: No such file or directory\n$/],
    [['--accel', 'xen'], /^lucid: --accel xen: unknown; there is kvm, tcg\n$/],
  ];
  if (!existsSync('/dev/kvm'))
    cases.push([[], /^lucid: --accel kvm: there is no \/dev\/kvm: .*; --accel tcg tries the mechanics and measures no hardware\n$/]);
  for (const [args, message] of cases) {
    const { status, out, err } = await lucid('measure-exit-cost', ...args);
    assert.match(err, message);
    assert.is(out, '');
    assert.is(status, 2, args.join(' '));
  }
});

test.run();
