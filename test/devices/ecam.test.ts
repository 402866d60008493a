/** Configuration space in memory: the same bytes as by ports, and nothing beyond them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Ecam } from '../../devices/ecam.ts';
import { HostBridge, Pci, PciHeader } from '../../devices/pci.ts';

function bench(): { pci: Pci; ecam: Ecam } {
  const pci = new Pci();
  pci.add(0, 0, new HostBridge());
  const header = new PciHeader({ vendor: 0x1234, device: 0x5678, classCode: 0x020000, interruptPin: 1 });
  header.addBar(0, { kind: 'memory', bytes: 0x1000 });
  pci.add(3, 0, header);
  return { pci, ecam: new Ecam(pci) };
}

const AT = 3 << 15;

test('what ports read and write, memory does too, in every width', () => {
  const { pci, ecam } = bench();
  assert.is(ecam.mmioRead(0, 4), 0x12378086);
  assert.equal([ecam.mmioRead(AT, 2), ecam.mmioRead(AT + 2, 2), ecam.mmioRead(AT + 1, 1)], [0x1234, 0x5678, 0x12]);
  assert.is(ecam.mmioRead(AT + 3, 2), 0x0056, 'across two double words');
  ecam.mmioWrite(AT + 0x10, 4, 0xffff_ffff);
  assert.is(ecam.mmioRead(AT + 0x10, 4), 0xffff_f000);
  pci.portWrite(0xcf8, 4, 0x8000_1810);
  assert.is(pci.portRead(0xcfc, 4), 0xffff_f000);
  ecam.mmioWrite(AT + 0x3b, 2, 0x0b00);
  assert.is(ecam.mmioRead(AT + 0x3c, 1), 0x0b);
});

test('absent functions read as ones, extended space as zeros, and neither takes a write', () => {
  const { ecam } = bench();
  assert.equal([ecam.mmioRead(AT + 0x1000, 4), ecam.mmioRead(4 << 15, 2), ecam.mmioRead(31 << 15, 1)], [0xffff_ffff, 0xffff, 0xff]);
  assert.equal([ecam.mmioRead(AT + 0x100, 4), ecam.mmioRead(AT + 0xffc, 4), ecam.mmioRead(AT + 0xff, 2)], [0, 0, 0]);
  ecam.mmioWrite(AT + 0x110, 4, 1);
  ecam.mmioWrite(4 << 15, 4, 1);
  assert.is(ecam.mmioRead(AT + 0x10, 4), 0);
});

test.run();
