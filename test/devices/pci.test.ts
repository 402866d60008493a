import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HostBridge, Pci, PciHeader, type PciFunction } from '../../devices/pci.ts';
import { ResetControl } from '../../devices/reset.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakeLine } from './fake.ts';
import { FakePorts, randomSource, spoiled } from './fake-board.ts';

const [ADDRESS, DATA] = [0xcf8, 0xcfc];
const isStateError = (e: Error) => e instanceof StateError;
const isRangeError = (e: Error) => e instanceof RangeError;

function board(lines: FakeLine[] = []) {
  const ports = new FakePorts();
  const pci = new Pci({ lines });
  pci.attach(ports);
  const select = (slot: number, fn: number, register: number, bus = 0) =>
    ports.write(ADDRESS, 0x8000_0000 + bus * 0x1_0000 + slot * 0x800 + fn * 0x100 + (register & 0xfc), 4);
  const get = (slot: number, fn: number, register: number, size: 1 | 2 | 4 = 4) => {
    select(slot, fn, register);
    return ports.read(DATA + (register & 3), size);
  };
  const put = (slot: number, fn: number, register: number, value: number, size: 1 | 2 | 4 = 4) => {
    select(slot, fn, register);
    ports.write(DATA + (register & 3), value, size);
  };
  return { ports, pci, select, get, put };
}

const NIC = { vendor: 0x1af4, device: 0x1041, revision: 1, classCode: 0x020000, subsystemVendor: 0x1af4, subsystem: 0x40, interruptPin: 1 };

test('mechanism #1 is found by its address register, as every guest probes it', () => {
  const { ports } = board();
  ports.write(0xcfb, 0x01);
  ports.write(ADDRESS, 0xffff_ffff, 4);
  assert.is(ports.read(ADDRESS, 4), 0x80ff_fffc);
  ports.write(ADDRESS, 0x8000_0000, 4);
  assert.is(ports.read(ADDRESS, 4), 0x8000_0000);
  ports.write(ADDRESS, 0x12, 1);
  ports.write(ADDRESS, 0x1234, 2);
  assert.is(ports.read(ADDRESS, 4), 0x8000_0000);
  assert.is(ports.read(ADDRESS, 2), 0xffff);
});

test('it shares its double word with the reset register', () => {
  const { ports } = board();
  const kinds: string[] = [];
  new ResetControl({ reset: (kind) => kinds.push(kind) }).attach(ports);
  ports.write(0xcf9, 0x06);
  assert.equal(kinds, ['system']);
});

test('what is absent, on another bus or not enabled reads as ones and swallows writes', () => {
  const { ports, pci, get, select } = board();
  pci.add(0, 0, new HostBridge());
  for (let slot = 1; slot < 32; slot++) assert.is(get(slot, 0, 0), 0xffff_ffff);
  for (let fn = 1; fn < 8; fn++) assert.is(get(0, fn, 0), 0xffff_ffff);
  select(0, 0, 0, 1);
  assert.is(ports.read(DATA, 4), 0xffff_ffff);
  assert.is(ports.read(DATA, 2), 0xffff);
  assert.is(ports.read(DATA), 0xff);
  ports.write(DATA, 0, 4);
  ports.write(ADDRESS, 0, 4);
  assert.is(ports.read(DATA, 4), 0xffff_ffff);
});

test('the host bridge is a 440FX', () => {
  const { pci, get } = board();
  pci.add(0, 0, new HostBridge());
  assert.is(get(0, 0, 0), 0x1237_8086);
  assert.is(get(0, 0, 8), 0x0600_0002);
  assert.is(get(0, 0, 0x2c), 0x1100_1af4);
  assert.is(get(0, 0, 0x0e, 1), 0);
});

test('accesses of every size and offset agree', () => {
  const { ports, pci, select } = board();
  pci.add(3, 0, new PciHeader(NIC));
  const whole = [0x1041_1af4, 0x0000_0000, 0x0200_0001, 0];
  whole.forEach((word, i) => {
    select(3, 0, i * 4);
    assert.is(ports.read(DATA, 4), word);
    for (let lane = 0; lane < 4; lane++) assert.is(ports.read(DATA + lane), (word >>> (8 * lane)) & 0xff);
    for (let lane = 0; lane < 3; lane++) assert.is(ports.read(DATA + lane, 2), (word >>> (8 * lane)) & 0xffff);
    assert.is(ports.read(DATA + 2, 4), (0xffff_0000 + (word >>> 16)) >>> 0, 'beyond the double word nobody answers');
  });
});

test('only writable bits change, whatever is written', () => {
  const { pci, get, put } = board();
  pci.add(1, 0, new PciHeader(NIC));
  for (let register = 0; register < 256; register += 4) {
    const before = get(1, 0, register);
    put(1, 0, register, 0xffff_ffff);
    const after = get(1, 0, register);
    const may = register === 4 ? 0x0404 : register === 0x3c ? 0xff : 0;
    assert.is((after ^ before) >>> 0, may, `register ${register}`);
  }
});

test('BARs tell their size and kind, and decode while the command register lets them', () => {
  const { pci, get, put } = board();
  const at: Record<string, number | undefined> = {};
  const nic = new PciHeader(NIC);
  nic.addBar(0, { kind: 'io', bytes: 32, decode: (address) => (at['io'] = address) });
  nic.addBar(1, { kind: 'memory', bytes: 4096, decode: (address) => (at['memory'] = address) });
  nic.addBar(4, { kind: 'memory64', bytes: 16_384, prefetchable: true, decode: (address) => (at['wide'] = address) });
  pci.add(2, 0, nic);
  const sizes = [0x10, 0x14, 0x18, 0x20, 0x24].map((register) => {
    put(2, 0, register, 0xffff_ffff);
    return get(2, 0, register);
  });
  assert.equal(sizes, [0xffff_ffe1, 0xffff_f000, 0, 0xffff_c00c, 0xffff_ffff]);
  put(2, 0, 0x10, 0xc000);
  put(2, 0, 0x14, 0xfebf_0000);
  put(2, 0, 0x20, 0x4000_0000);
  put(2, 0, 0x24, 0x0000_0010);
  assert.equal(at, {});
  put(2, 0, 4, 0x0007, 2);
  assert.equal(at, { io: 0xc000, memory: 0xfebf_0000, wide: 0x10_4000_0000 });
  put(2, 0, 0x15, 0x10, 1);
  assert.is(at['memory'], 0xfebf_1000);
  put(2, 0, 4, 0x0001, 2);
  assert.equal(at, { io: 0xc000, memory: undefined, wide: undefined });
  pci.reset();
  assert.is(at['io'], undefined);
  assert.is(get(2, 0, 0x14), 0);
});

test('a BAR of several gigabytes is sized through its upper half', () => {
  const { pci, get, put } = board();
  const big = new PciHeader(NIC);
  big.addBar(0, { kind: 'memory64', bytes: 2 ** 34 });
  pci.add(1, 0, big);
  put(1, 0, 0x10, 0xffff_ffff);
  put(1, 0, 0x14, 0xffff_ffff);
  assert.equal([get(1, 0, 0x10), get(1, 0, 0x14)], [0x0000_0004, 0xffff_fffc]);
});

test('a BAR that cannot be is refused', () => {
  const nic = new PciHeader(NIC);
  assert.throws(() => nic.addBar(0, { kind: 'memory', bytes: 8 }), isRangeError);
  assert.throws(() => nic.addBar(0, { kind: 'memory', bytes: 4097 }), isRangeError);
  assert.throws(() => nic.addBar(6, { kind: 'io', bytes: 4 }), isRangeError);
  assert.throws(() => nic.addBar(5, { kind: 'memory64', bytes: 4096 }), isRangeError);
});

test('capabilities chain in order, aligned, with their own writable bits', () => {
  const { pci, get, put } = board();
  const nic = new PciHeader(NIC);
  assert.is(get(1, 0, 0x34, 1), 0xff);
  assert.is(nic.addCapability(0x09, Uint8Array.of(5, 0xaa, 0xbb)), 0x40);
  assert.is(nic.addCapability(0x11, new Uint8Array(10), Uint8Array.of(0, 0, 0xc0)), 0x48);
  pci.add(1, 0, nic);
  assert.is(get(1, 0, 6, 2) & 0x10, 0x10);
  assert.is(get(1, 0, 0x34, 1), 0x40);
  assert.equal([get(1, 0, 0x40), get(1, 0, 0x48, 2)], [0xaa05_4809, 0x0011]);
  assert.throws(() => nic.addCapability(1, new Uint8Array(200)), isRangeError);
  put(1, 0, 0x48, 0xffff_ffff);
  assert.is(get(1, 0, 0x48), 0x0000_0011);
});

test('a slot with several functions says so', () => {
  const { pci, get } = board();
  pci.add(4, 0, new PciHeader(NIC));
  assert.is(get(4, 0, 0x0e, 1), 0);
  pci.add(4, 1, new PciHeader(NIC));
  assert.is(get(4, 0, 0x0e, 1), 0x80);
});

test('a taken or impossible place is refused', () => {
  const { pci } = board();
  pci.add(0, 0, new HostBridge());
  assert.throws(() => pci.add(0, 0, new HostBridge()), isRangeError);
  assert.throws(() => pci.add(32, 0, new HostBridge()), isRangeError);
  assert.throws(() => pci.add(1, 8, new HostBridge()), isRangeError);
});

test('INTx lines are shared: high while any source is', () => {
  const lines = [new FakeLine(), new FakeLine(), new FakeLine(), new FakeLine()];
  const { pci } = board(lines);
  const one = pci.intx(1, 0);
  const other = pci.intx(4, 1);
  one.set(true);
  other.set(true);
  one.set(false);
  assert.equal(
    lines.map((l) => l.level),
    [false, true, false, false],
  );
  const saved = pci.save();
  other.set(false);
  assert.is(lines[1].level, false);
  pci.restore(JSON.parse(JSON.stringify(saved)));
  assert.is(lines[1].level, true);
  pci.reset();
  assert.is(lines[1].level, false);
  assert.throws(() => new Pci().intx(0, 0), isRangeError);
});

test('PAM writes are told, one register at a time', () => {
  const told: [number, number][] = [];
  const { pci, put, get } = board();
  pci.add(0, 0, new HostBridge({ pam: (index, value) => told.push([index, value]) }));
  put(0, 0, 0x59, 0xff, 1);
  put(0, 0, 0x5c, 0x3333_1100);
  assert.equal(told, [
    [0, 0x30],
    [3, 0x00],
    [4, 0x11],
    [5, 0x33],
    [6, 0x33],
  ]);
  assert.is(get(0, 0, 0x5c), 0x3333_1100);
});

test('any function may stand behind the ports; it sees its register and size', () => {
  const seen: unknown[] = [];
  const { pci, get, put } = board();
  const fn: PciFunction = {
    configRead: (register, size) => seen.push(['r', register, size]),
    configWrite: (register, size, value) => seen.push(['w', register, size, value]),
    reset() {},
    save: () => ({}),
    restore() {},
  };
  pci.add(31, 7, fn);
  get(31, 7, 0xff, 1);
  put(31, 7, 0x42, 0x1_2345, 2);
  put(31, 7, 0x43, 0xaabb_ccdd, 4);
  assert.equal(seen, [
    ['r', 0xff, 1],
    ['w', 0x42, 2, 0x2345],
    ['w', 0x43, 1, 0xdd],
  ]);
});

test('a header goes on after save and restore, random writes and all, and refuses what is not its own', () => {
  const random = randomSource(4);
  const make = () => {
    const decoded: (number | undefined)[] = [];
    const nic = new PciHeader(NIC);
    nic.addBar(0, { kind: 'memory', bytes: 65_536, decode: (address) => decoded.push(address) });
    nic.addBar(2, { kind: 'memory64', bytes: 4096 });
    return { nic, decoded };
  };
  for (let round = 0; round < 50; round++) {
    const one = make();
    for (let i = 0; i < 40; i++) one.nic.configWrite(random(64) * 4, 4, random(2 ** 32 - 1));
    const two = make();
    two.nic.restore(JSON.parse(JSON.stringify(one.nic.save())));
    assert.equal(two.nic.save(), one.nic.save());
    assert.is(two.decoded.at(-1), one.decoded.at(-1));
  }
  const { nic } = make();
  const before = nic.save();
  for (const state of [...spoiled(before), new HostBridge().save()]) assert.throws(() => nic.restore(state), isStateError);
  assert.equal(nic.save(), before);
});

test('the functions are saved with their bus', () => {
  const make = () => {
    const b = board();
    const told: number[] = [];
    b.pci.add(0, 0, new HostBridge({ pam: (_, value) => told.push(value) }));
    b.pci.add(3, 0, new PciHeader(NIC));
    return { ...b, told };
  };
  const one = make();
  one.put(0, 0, 0x5a, 0x33, 1);
  one.put(3, 0, 4, 0x0404, 2);
  const two = make();
  two.pci.restore(JSON.parse(JSON.stringify(one.pci.save())));
  assert.is(two.ports.read(DATA, 2), 0x0404, 'the address register came along');
  assert.is(two.get(0, 0, 0x5a, 1), 0x33);
  assert.equal(two.told, [0, 0x33, 0, 0, 0, 0, 0], 'the board hears of the map again');
  assert.throws(() => board().pci.restore(one.pci.save()), isStateError);
  assert.throws(() => two.pci.restore({ ...one.pci.save(), functions: { '0.0': null, '3.0': {} } }), isStateError);
});

test('the ports refuse junk', () => {
  const { pci } = board([new FakeLine()]);
  pci.add(0, 0, new HostBridge());
  const before = pci.save();
  for (const state of spoiled(before)) assert.throws(() => pci.restore(state), isStateError);
  assert.equal(pci.save(), before);
});

test.run();
