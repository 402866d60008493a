/** The kstats of the board's disks and NICs: there from the start, published to other threads, under the names of the options' order. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KstatRegistry } from '../../vmm/kstat.ts';
import { reportOf } from '../../vmm/report.ts';
import { MemoryImage } from '../devices/ata/board.ts';
import { builtinGuest, machineWith } from './guests.ts';

const image = (): MemoryImage => new MemoryImage(64 * 2048);
const options = {
  memory: '16M',
  disks: [image(), image(), image()],
  diskOptions: [{ path: 'a' }, { path: 'b', interface: 'ide' }, { path: 'c', interface: 'cdrom' }],
} as const;

test('a kstat for each disk, whatever its bus', () => {
  const { vm } = machineWith(builtinGuest(), options).machine;
  const names = (registry: KstatRegistry): string[] =>
    registry
      .list()
      .filter((kstat) => kstat.class === 'disk')
      .map(({ module, instance, name, type }) => `${module}:${instance}:${name} ${type}`);
  const expected = ['ata:1:disk1 io', 'ata:2:cd2 io', 'virtio_blk:0:disk0 io'];
  assert.equal(names(vm.kstats), expected);
  assert.equal(names(KstatRegistry.adopt(vm.memory.buffer, vm.kstats.publish())), expected);
  assert.equal(
    reportOf(vm).disks.map(({ name }) => name),
    ['disk0', 'disk1', 'cd2'],
  );
});

test.run();
