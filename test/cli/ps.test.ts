/** `lucid ps`: the table, JSON, and what can be in the way. */
import { chmodSync, mkdirSync } from 'node:fs';
import process from 'node:process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { psTable } from '../../vmm/cli/ps.ts';
import { type FakeVm, fakeVm } from '../vmm/fake-vm.ts';
import { type Finished, finished, runtimePlace, start } from './stat-commands.ts';

const place = runtimePlace();
const test = suite('lucid ps');
test.after(() => place.remove());

const ps = (xdg: string, ...args: string[]): Promise<Finished> => finished(start('lucid', ['ps', ...args], xdg));

test('the table, to the byte', () => {
  assert.is(
    psTable([
      { pid: 4668, vmid: 1, name: 'debian', vcpus: 1, state: 'running', instructions: 1_385_124_635, clockNs: 1_634_400_000 },
      { pid: 1234567, vmid: 12, name: 'two words', vcpus: 16, state: 'paused', instructions: 0, clockNs: 0 },
    ]),
    '    PID  VMID VCPUS STATE       INSTRUCTIONS          CLOCK NAME\n' +
      '   4668     1     1 running       1385124635        1.634 s debian\n' +
      '1234567    12    16 paused                 0        0.000 s two words\n',
  );
});

test('no VM: the heading alone, or an empty array', async () => {
  const [table, json] = await Promise.all([ps(place.xdg), ps(place.xdg, '--json')]);
  assert.equal(table, { status: 0, signal: null, out: '    PID  VMID VCPUS STATE       INSTRUCTIONS          CLOCK NAME\n', err: '' });
  assert.equal(json, { status: 0, signal: null, out: '[]\n', err: '' });
});

test('VMs are listed by vmid, with the instructions of all their vCPUs', async () => {
  const vms: FakeVm[] = [];
  for (const name of ['first', 'second']) vms.push(await fakeVm(place.directory, { name, vcpus: 2 }));
  try {
    vms[1]?.set('ICOUNT', 1_000_000n);
    vms[1]?.set('ICOUNT', 234_567n, 0, 1);
    vms[1]?.set('CLOCK_OFFSET', 2_000_000_000n);
    const { status, out, err } = await ps(place.xdg, '--json');
    assert.is(err, '');
    assert.is(status, 0);
    assert.equal(JSON.parse(out), [
      { pid: process.pid, vmid: 1, name: 'first', vcpus: 2, state: 'unknown', instructions: 0, clockNs: 0 },
      { pid: process.pid, vmid: 2, name: 'second', vcpus: 2, state: 'unknown', instructions: 1_234_567, clockNs: 2_001_000_000 },
    ]);
  } finally {
    for (const vm of vms) vm.end();
  }
});

test('a directory that others may enter, and arguments that it does not have, are refused in one line', async () => {
  const shared = runtimePlace();
  mkdirSync(shared.directory);
  chmodSync(shared.directory, 0o777);
  const [directory, operand, option] = await Promise.all([ps(shared.xdg), ps(place.xdg, 'x'), ps(place.xdg, '--frob')]);
  assert.is(directory.status, 2);
  assert.is(directory.err, `lucid: ${shared.directory}: has mode 0777, must be 0700; chmod 700 it\n`);
  assert.is(operand.status, 2);
  assert.match(operand.err, /^lucid: .*\bx\b.*\n$/);
  assert.is(option.status, 2);
  assert.match(option.err, /^lucid: .*frob.*\n$/);
  shared.remove();
});

test('a reader that leaves is no error', async () => {
  const child = start('lucid', ['ps'], place.xdg);
  child.stdout?.destroy();
  const { status, err } = await finished(child);
  assert.equal([status, err], [0, '']);
});

test.run();
