/** Memory slots as KVM has them: what they map, read-only ones, aliases, changing them under a running guest. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_REASON, type MemorySlot } from '../../vmm/index.ts';
import { CODE, FREE, Guest, le, TABLES } from './guest.ts';

const SIZE = 0x40_0000;
/** Slots besides RAM up to `bytes`. */
function slots(g: Guest, bytes: number, ...more: { gpa: number; bytes: number; from: number; readOnly?: boolean }[]): void {
  const host = g.vm.ram.hostOf(0);
  const list: MemorySlot[] = [{ gpa: 0, bytes, host, readOnly: false }];
  for (const m of more) list.push({ gpa: m.gpa, bytes: m.bytes, host: host + m.from, readOnly: m.readOnly === true });
  g.vm.setMemorySlots(list);
}
const at = (address: number): string => `04 25 ${le(address, 4)}`;

test('reading a read-only slot is RAM, writing it is a device access', () => {
  const g = new Guest({ code: `8a ${at(0x100_0000)} fe c0 88 ${at(0x100_0000)} 8a ${at(0x100_0000)} f4` });
  slots(g, 0x20_0000, { gpa: 0x100_0000, bytes: 0x1000, from: 0x30_0000, readOnly: true });
  g.vm.ram.bytes[g.vm.ram.hostOf(0x100_0000)] = 41;
  const exit = g.run();
  assert.equal([exit.reason, exit.gpa, exit.write, exit.data], ['mmio', 0x100_0000, true, 42]);
  assert.is(g.run().reason, 'hlt');
  assert.is(Number(g.reg(0)), 41);
  assert.is(g.count(EXIT_REASON.EPT_MISCONFIG), 1);
});

test('code runs in a read-only slot', () => {
  const g = new Guest({ code: `b8 ${le(0x100_0000, 4)} ff e0` });
  slots(g, 0x20_0000, { gpa: 0x100_0000, bytes: 0x1000, from: 0x30_0000, readOnly: true });
  g.vm.ram.write(0x100_0000, Uint8Array.of(0xb0, 7, 0xf4));
  assert.is(g.run().reason, 'hlt');
  assert.is(Number(g.reg(0) & 0xffn), 7);
});

test('page tables in a read-only slot translate, and keep their bytes', () => {
  const g = new Guest({ code: `8a ${at(FREE)} f4` });
  // The page table at 300000h, seen at 16 MiB read-only.
  slots(g, 0x20_0000, { gpa: 0x100_0000, bytes: 0x1000, from: 0x30_0000, readOnly: true });
  g.vm.ram.write(0x100_0000, (g.vm.ram.view(0x13000, 0x1000) as Uint8Array).slice());
  g.put64(TABLES + 0x2000, 0x100_0000 | 7);
  g.put(FREE, '33');
  assert.is(g.run().reason, 'hlt');
  assert.is(Number(g.reg(0)), 0x33);
  assert.is(g.vm.ram.bytes[g.vm.ram.hostOf(0x100_0000) + 8 * (FREE >> 12)], 7, 'no accessed bit');
});

test('two slots over the same memory: a store through one is seen, and run, through the other', () => {
  const g = new Guest({ code: `be ${le(0x100_0000, 4)} ff d6 88 c3 c6 ${at(FREE + 1)} 09 ff d6 f4` });
  slots(g, SIZE, { gpa: 0x100_0000, bytes: 0x1000, from: FREE });
  g.put(FREE, 'b0 05 c3');
  assert.is(g.run().reason, 'hlt');
  assert.equal([Number(g.reg(3)), Number(g.reg(0))], [5, 9]);
});

test('a slot that goes away is no RAM from the next access on, and comes back with its contents', () => {
  const g = new Guest({ code: `8a ${at(0x30_0000)} e6 10 eb f5`, unclaimed: 'exit' });
  g.put(0x30_0000, '2a');
  assert.equal([g.run().reason, g.vcpu.exit.data], ['io', 0x2a]);
  slots(g, 0x30_0000);
  const exit = g.run();
  assert.equal([exit.reason, exit.gpa], ['mmio', 0x30_0000]);
  exit.data = 1;
  assert.equal([g.run().reason, g.vcpu.exit.data], ['io', 1]);
  slots(g, SIZE);
  assert.equal([g.run().reason, g.vcpu.exit.data], ['io', 0x2a]);
});

test('code in a slot that moves: what is there now runs', () => {
  const g = new Guest({ code: `be ${le(0x100_0000, 4)} ff d6 e6 10 eb fa` });
  slots(g, 0x20_0000, { gpa: 0x100_0000, bytes: 0x1000, from: 0x30_0000 });
  g.vm.ram.write(0x100_0000, Uint8Array.of(0xb0, 1, 0xc3));
  assert.is(g.run().data, 1);
  slots(g, 0x20_0000, { gpa: 0x100_0000, bytes: 0x1000, from: 0x30_1000 });
  g.vm.ram.write(0x100_0000, Uint8Array.of(0xb0, 2, 0xc3));
  assert.is(g.run().data, 2);
});

test('memory above 4 GiB', () => {
  // 1 GiB page 4 of the first 512: physical 4 GiB and up.
  const g = new Guest({ code: `48 bb ${le(0x1_0000_0000n, 8)} c6 03 5a 8a 03 f4` });
  slots(g, 0x20_0000, { gpa: 0x1_0000_0000, bytes: 0x10_0000, from: 0x30_0000 });
  g.put64(TABLES + 0x1000 + 8 * 4, 0x1_0000_0000n | 0x87n);
  assert.is(g.run().reason, 'hlt');
  assert.is(Number(g.reg(0)), 0x5a);
  assert.is(g.vm.ram.bytes[g.vm.ram.hostOf(0x1_0000_0000)], 0x5a);
  assert.is(g.vcpu.translate(0x1_0000_0000n), 0x1_0000_0000);
});

test('an access over the border of two slots that touch', () => {
  const g = new Guest({ code: `8b ${at(0x1f_fffe)} f4` });
  slots(g, 0x20_0000, { gpa: 0x20_0000, bytes: 0x1000, from: 0x30_0000 });
  g.put(0x1f_fffe, '11 22');
  g.vm.ram.write(0x20_0000, Uint8Array.of(0x33, 0x44));
  assert.is(g.run().reason, 'hlt');
  assert.is(Number(g.reg(0)), 0x44332211);
});

test('slots that cannot be are refused, and nothing changes', () => {
  const g = new Guest({ code: 'f4' });
  const host = g.vm.ram.hostOf(0);
  const good = g.vm.ram.slots;
  for (const bad of [
    [{ gpa: 1, bytes: 4096, host, readOnly: false }],
    [{ gpa: 0, bytes: 100, host, readOnly: false }],
    [{ gpa: 0, bytes: 0, host, readOnly: false }],
    [{ gpa: 0, bytes: 4096, host: host - 4096, readOnly: false }],
    [{ gpa: 0, bytes: SIZE + 4096, host, readOnly: false }],
    [
      { gpa: 0, bytes: 8192, host, readOnly: false },
      { gpa: 4096, bytes: 4096, host, readOnly: false },
    ],
    Array.from({ length: 33 }, (_, i) => ({ gpa: i * 8192, bytes: 4096, host, readOnly: false })),
  ]) {
    assert.throws(() => g.vm.setMemorySlots(bad), RangeError);
  }
  assert.equal(g.vm.ram.slots, good);
  assert.is(g.run().reason, 'hlt');
  assert.is(g.rip, CODE + 1);
});

test.run();
