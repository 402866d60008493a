/** The network device, driven from the other side in both ring layouts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GSO, type Offload, PLAIN } from '../../../devices/net/backend.ts';
import { putOffload } from '../../../devices/net/offload.ts';
import { protect } from '../../../devices/net/protection.ts';
import { NET_LATENCY, VirtioNet } from '../../../devices/virtio/net.ts';
import { FakeClock } from '../fake.ts';
import { be16, ethernet, FakeBackend, MAC_A, MAC_B, offloadOf, tcpFrame } from '../net/frames.ts';
import { Board, type Buffer, type DriverQueue, FakeMemory, PackedDriver, SplitDriver } from './board.ts';

const VERSION_1 = 32;
const PACKED = 34;
const CSUM = 0;
const GUEST_CSUM = 1;
const CTRL_GUEST_OFFLOADS = 2;
const GUEST_TSO4 = 7;
const GUEST_TSO6 = 8;
const HOST_TSO4 = 11;
const MRG_RXBUF = 15;
const CTRL_VQ = 17;
const CTRL_RX = 18;
const CTRL_VLAN = 19;
const CTRL_RX_EXTRA = 20;
const ANNOUNCE = 21;
const CTRL_MAC_ADDR = 23;
const HEADER = 12;
const RX_AT = 0x1_0000;
const TX_AT = 0x3_0000;
const COMMAND = 0x5_0000;
const BROADCAST = new Uint8Array(6).fill(255);

interface Bench {
  readonly board: Board;
  readonly clock: FakeClock;
  readonly backend: FakeBackend;
  readonly net: VirtioNet;
  rx: DriverQueue;
  tx: DriverQueue;
  control: DriverQueue;
}

function bench(packed: boolean, features: readonly number[] = [], protection = protect(MAC_A, false, undefined)): Bench {
  const memory = new FakeMemory(0x6_0000);
  const clock = new FakeClock();
  const backend = new FakeBackend();
  const net = new VirtioNet({ memory, clock, backend, mac: MAC_A, protection });
  const board = new Board(memory, net);
  return { board, clock, backend, net, ...start(board, packed, features) };
}

function start(board: Board, packed: boolean, features: readonly number[]): { rx: DriverQueue; tx: DriverQueue; control: DriverQueue } {
  board.memory.bytes.fill(0, 0x1000, 0x8000);
  board.negotiate([VERSION_1, ...(packed ? [PACKED] : []), ...features]);
  assert.is(board.status, 0x0b);
  const queue = (index: number): DriverQueue => {
    const at = 0x1000 + 0x2000 * index;
    return packed ? new PackedDriver(board, index, 16, at) : new SplitDriver(board, index, 16, at);
  };
  const queues = { rx: queue(0), tx: queue(1), control: queue(2) };
  board.status = 0x0f;
  return queues;
}

/** Lets the guest send a frame in pieces of the given lengths. */
function send(b: Bench, frame: Uint8Array, offload: Offload = PLAIN, cuts: readonly number[] = [HEADER]): void {
  putOffload(b.board.memory.view, TX_AT, offload);
  b.board.memory.bytes.set(frame, TX_AT + HEADER);
  const buffers: Buffer[] = [];
  let at = 0;
  for (const length of [...cuts, HEADER + frame.length - cuts.reduce((a, c) => a + c, 0)]) {
    if (length > 0) buffers.push({ gpa: TX_AT + at, length });
    at += length;
  }
  b.tx.add(buffers);
  b.tx.kick();
}

function post(b: Bench, count: number, length: number, at = RX_AT): void {
  for (let i = 0; i < count; i++) b.rx.add([{ gpa: at + i * length, length, write: true }]);
  b.rx.kick();
}

function command(b: Bench, kind: number, number: number, data: readonly number[]): number {
  const { bytes } = b.board.memory;
  bytes.set([kind, number, ...data], COMMAND);
  bytes[COMMAND + 0x1000] = 0xee;
  b.control.add([
    { gpa: COMMAND, length: 2 },
    { gpa: COMMAND + 2, length: data.length },
    { gpa: COMMAND + 0x1000, length: 1, write: true },
  ]);
  b.control.kick();
  assert.is(b.control.used(), 1);
  return bytes[COMMAND + 0x1000] as number;
}

const plain = ethernet(
  MAC_B,
  MAC_A,
  0x1234,
  Array.from({ length: 200 }, (_, i) => i),
);
const toGuest = ethernet(
  MAC_A,
  MAC_B,
  0x1234,
  Array.from({ length: 200 }, (_, i) => i),
);
const BOTH = [false, true];

test('a frame is sent however its driver cut it, and its buffer comes back at its time', () => {
  for (const packed of BOTH) {
    const b = bench(packed);
    for (const cuts of [[], [HEADER], [5, 7, 1], [HEADER + 14, 100]]) {
      send(b, plain, PLAIN, cuts);
      assert.equal(b.backend.sent.pop(), { frame: plain, offload: { ...PLAIN } });
      const time = NET_LATENCY.frame + Math.round(plain.length * NET_LATENCY.byte);
      b.clock.run(time - 1);
      assert.is(b.tx.used(), undefined);
      b.clock.run(1);
      assert.is(b.tx.used(), 0);
    }
    assert.is(b.net.counters.opackets64, 4);
    assert.is(b.net.counters.obytes64, 4 * plain.length);
  }
});

test('what the driver leaves to be done goes to the back end, when it may leave it', () => {
  const frame = tcpFrame({ version: 4, sequence: 1, flags: 16, payload: new Array<number>(4000).fill(1) }, true);
  const offload = offloadOf({
    checksumNeeded: true,
    checksumStart: 34,
    checksumOffset: 16,
    gso: GSO.TCPV4,
    segmentBytes: 1448,
    headerBytes: 54,
  });
  const b = bench(false, [CSUM, HOST_TSO4]);
  send(b, frame, offload);
  assert.equal(b.backend.sent, [{ frame, offload }]);
  for (const [features, change] of [
    [[], {}],
    [[CSUM], {}],
    [[CSUM, HOST_TSO4], { gso: GSO.TCPV6 }],
    [[CSUM, HOST_TSO4], { gso: GSO.UDP }],
    [[CSUM, HOST_TSO4], { ecn: true }],
    [[CSUM, HOST_TSO4], { checksumStart: 4093 }],
    [[CSUM, HOST_TSO4], { segmentBytes: 0 }],
    [[CSUM, HOST_TSO4], { checksumNeeded: false }],
  ] as [number[], Partial<Offload>][]) {
    const other = bench(false, features);
    send(other, frame, { ...offload, ...change });
    assert.equal(other.backend.sent, []);
    assert.is(other.net.counters.oerrors, 1, JSON.stringify(change));
    other.clock.run(1e6);
    assert.is(other.tx.used(), 0);
  }
});

test('a frame too short, too long, or not in memory is an error of its own and nothing more', () => {
  for (const packed of BOTH) {
    const b = bench(packed);
    const { memory } = b.board;
    b.tx.add([{ gpa: TX_AT, length: 5 }]);
    b.tx.add([{ gpa: TX_AT, length: HEADER + 13 }]);
    b.tx.add([
      { gpa: 0, length: memory.bytes.length },
      { gpa: 0, length: memory.bytes.length },
    ]);
    b.tx.add([{ gpa: TX_AT, length: HEADER + 60, write: true }]);
    b.tx.kick();
    b.clock.run(1e6);
    assert.is(b.net.counters.oerrors, 4);
    for (let i = 0; i < 4; i++) assert.is(b.tx.used(), 0);
    assert.equal(b.backend.sent, []);
    send(b, plain);
    assert.is(b.backend.sent.length, 1);
  }
});

test('a frame is received into one buffer with its header', () => {
  for (const packed of BOTH) {
    const b = bench(packed);
    post(b, 2, 2048);
    b.backend.offer(toGuest);
    assert.is(b.rx.used(), HEADER + toGuest.length);
    const { bytes } = b.board.memory;
    assert.equal([...bytes.subarray(RX_AT, RX_AT + HEADER)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert.equal(bytes.slice(RX_AT + HEADER, RX_AT + HEADER + toGuest.length), toGuest);
    assert.is(b.net.counters.ipackets64, 1);
    assert.is(b.net.counters.rbytes64, toGuest.length);
  }
});

test('a frame without a buffer waits for one and is counted once', () => {
  for (const packed of BOTH) {
    const b = bench(packed);
    b.backend.offer(toGuest);
    b.backend.ready();
    assert.is(b.backend.waiting.length, 1);
    assert.is(b.net.counters.norcvbuf, 1);
    post(b, 1, 2048);
    assert.is(b.backend.waiting.length, 0);
    assert.is(b.rx.used(), HEADER + toGuest.length);
  }
});

test('buffers are merged for a long frame, and their number stands in the first', () => {
  for (const packed of BOTH) {
    const b = bench(packed, [MRG_RXBUF]);
    post(b, 3, 100);
    b.backend.offer(toGuest);
    const { bytes, view } = b.board.memory;
    assert.equal([b.rx.used(), b.rx.used(), b.rx.used()], [100, 100, HEADER + toGuest.length - 200]);
    assert.is(view.getUint16(RX_AT + 10, true), 3);
    assert.equal(bytes.slice(RX_AT + HEADER, RX_AT + HEADER + toGuest.length), toGuest);
  }
});

test('buffers smaller than the header are merged too', () => {
  const b = bench(false, [MRG_RXBUF]);
  post(b, 6, 5);
  b.rx.add([{ gpa: RX_AT + 30, length: 300, write: true }]);
  b.rx.kick();
  b.backend.offer(toGuest);
  assert.equal(b.board.memory.bytes.slice(RX_AT + HEADER, RX_AT + HEADER + toGuest.length), toGuest);
  assert.is(b.board.memory.view.getUint16(RX_AT + 10, true), 7);
});

test('a frame that no number of buffers will take is dropped, and the buffers are not lost', () => {
  for (const features of [[], [MRG_RXBUF]]) {
    const b = bench(false, features);
    post(b, 16, 13);
    b.backend.offer(new Uint8Array(400).fill(255));
    assert.is(b.backend.waiting.length, 0);
    assert.is(b.net.counters.ierrors, 1);
    b.backend.offer(toGuest.slice(0, 14));
    assert.is(b.net.counters.ipackets64, features.length);
  }
});

test('a checksum left to be done and a long segment reach the guest as it negotiated them', () => {
  const frame = tcpFrame({ version: 4, sequence: 1, flags: 16, payload: new Array<number>(3000).fill(1) }, true);
  frame.set(MAC_A);
  const offload = offloadOf({ checksumNeeded: true, checksumStart: 34, checksumOffset: 16, gso: GSO.TCPV4, segmentBytes: 1448 });
  const whole = bench(false, [GUEST_CSUM, GUEST_TSO4, MRG_RXBUF]);
  post(whole, 4, 2048);
  whole.backend.offer(frame, offload);
  const { bytes } = whole.board.memory;
  assert.equal([...bytes.subarray(RX_AT, RX_AT + HEADER)], [1, 1, 0, 0, ...[1448 & 255, 1448 >> 8], 34, 0, 16, 0, 2, 0]);
  const cut = bench(false, [GUEST_CSUM]);
  post(cut, 4, 2048);
  cut.backend.offer(frame, offload);
  assert.equal([cut.rx.used(), cut.rx.used(), cut.rx.used()], [12 + 54 + 1448, 12 + 54 + 1448, 12 + 54 + 104]);
  assert.is(cut.board.memory.bytes[RX_AT], 2, 'the checksum is vouched for');
  const nothing = bench(false, []);
  post(nothing, 4, 2048);
  nothing.backend.offer(frame, offload);
  assert.is(nothing.board.memory.bytes[RX_AT], 0);
  assert.is(nothing.net.counters.ipackets64, 3);
});

test('offloads for the guest are switched off and on, but only those that it negotiated', () => {
  const b = bench(false, [GUEST_CSUM, GUEST_TSO4, CTRL_VQ, CTRL_GUEST_OFFLOADS, MRG_RXBUF]);
  const bits = (...features: number[]): number[] => {
    const word = features.reduce((all, f) => all | (1 << f), 0);
    return [word & 255, word >> 8, 0, 0, 0, 0, 0, 0];
  };
  const frame = tcpFrame({ version: 4, sequence: 1, flags: 16, payload: new Array<number>(3000).fill(1) }, true);
  frame.set(MAC_A);
  const offload = offloadOf({ checksumNeeded: true, checksumStart: 34, checksumOffset: 16, gso: GSO.TCPV4, segmentBytes: 1448 });
  post(b, 8, 2048);
  assert.is(command(b, 5, 0, bits(GUEST_TSO6)), 1);
  assert.is(command(b, 5, 0, bits(GUEST_CSUM)), 0);
  b.backend.offer(frame, offload);
  assert.is(b.net.counters.ipackets64, 3);
  assert.is(command(b, 5, 0, bits(GUEST_CSUM, GUEST_TSO4)), 0);
  b.backend.offer(frame, offload);
  assert.is(b.net.counters.ipackets64, 4);
});

test('a driver that only uses some features of a set that belongs together is not taken', () => {
  const b = bench(false);
  for (const features of [[GUEST_TSO4], [HOST_TSO4], [CTRL_RX], [CTRL_MAC_ADDR], [GUEST_CSUM, 9]]) {
    b.board.negotiate([VERSION_1, ...features]);
    assert.is(b.board.status, 3, String(features));
  }
});

test('receive modes, MAC tables and VLANs decide what comes in', () => {
  const b = bench(false, [CTRL_VQ, CTRL_RX, CTRL_RX_EXTRA, CTRL_VLAN]);
  post(b, 16, 300);
  const comes = (to: Uint8Array, vlan?: number): boolean => {
    const before = b.net.counters.ipackets64;
    const tag = vlan === undefined ? [] : [...be16(vlan), ...be16(0x1234)];
    b.backend.offer(ethernet(to, MAC_B, vlan === undefined ? 0x1234 : 0x8100, [...tag, ...new Array<number>(50).fill(0)]));
    b.rx.used();
    return b.net.counters.ipackets64 > before;
  };
  const group = Uint8Array.of(1, 0, 0x5e, 0, 0, 1);
  const other = Uint8Array.of(2, 2, 2, 2, 2, 2);
  assert.ok(comes(other), 'everything, until its driver says something');
  assert.is(command(b, 0, 0, [0]), 0);
  assert.not(comes(other));
  assert.not(comes(group));
  assert.ok(comes(MAC_A));
  assert.ok(comes(BROADCAST));
  assert.is(command(b, 1, 0, [1, 0, 0, 0, ...other, 1, 0, 0, 0, ...group]), 0);
  assert.ok(comes(other));
  assert.ok(comes(group));
  assert.is(command(b, 1, 0, [2, 0, 0, 0, ...other]), 1, 'a table that ends too soon');
  assert.ok(comes(group), 'and nothing changed');
  assert.is(command(b, 0, 3, [1]), 0);
  assert.not(comes(group));
  assert.is(command(b, 0, 5, [1]), 0);
  assert.not(comes(BROADCAST));
  assert.is(command(b, 0, 0, [2]), 1);
  assert.is(command(b, 0, 6, [1]), 1);
  assert.ok(comes(MAC_A, 5), 'VLANs pass until one was set');
  assert.is(command(b, 2, 0, [7, 0]), 0);
  assert.not(comes(MAC_A, 5));
  assert.ok(comes(MAC_A, 7));
  assert.ok(comes(MAC_A));
  assert.is(command(b, 2, 1, [7, 0]), 0);
  assert.not(comes(MAC_A, 7));
  assert.is(command(b, 2, 0, [0, 0x10]), 1, 'VLAN 4096');
  assert.is(command(b, 9, 0, [1]), 1, 'an unknown class');
});

test('the driver chooses another address, but not when it may send from its own alone', () => {
  const free = bench(false, [CTRL_VQ, CTRL_MAC_ADDR]);
  assert.is(command(free, 1, 1, [...MAC_B]), 0);
  assert.is(free.board.config(5, 1), 2);
  free.board.status = 0;
  assert.is(free.board.config(5, 1), 1, 'a reset takes it back');
  const bound = bench(false, [CTRL_VQ, CTRL_MAC_ADDR], protect(MAC_A, true, undefined));
  assert.is(command(bound, 1, 1, [...MAC_B]), 1);
  assert.is(command(bound, 1, 1, [...MAC_A]), 0);
});

test('a spoofed frame is dropped, counted, and its buffer comes back', () => {
  const b = bench(false, [], protect(MAC_A, true, undefined));
  send(b, ethernet(MAC_A, MAC_B, 0x1234, [1, 2, 3]));
  b.clock.run(1e6);
  assert.is(b.tx.used(), 0);
  assert.equal(b.backend.sent, []);
  assert.is(b.net.counters.macspoofed, 1);
  assert.is(b.net.counters.opackets64, 0);
});

test('configuration says address, link, size and speed; an announcement is asked for and acknowledged', () => {
  const b = bench(false, [CTRL_VQ, ANNOUNCE]);
  const { board, net } = b;
  assert.equal(
    Array.from({ length: 17 }, (_, i) => board.config(i, 1)),
    [...MAC_A, 1, 0, 1, 0, 1500 & 255, 1500 >> 8, 0x10, 0x27, 0, 0, 1],
  );
  net.announce();
  assert.is(board.config(6, 2), 3);
  assert.ok(board.line.level, 'the driver is told');
  assert.is(command(b, 3, 0, []), 0);
  assert.is(board.config(6, 2), 1);
});

test('a reset in the middle takes everything back and nothing is given to the next driver', () => {
  for (const packed of BOTH) {
    const b = bench(packed, [MRG_RXBUF]);
    post(b, 2, 50);
    b.backend.offer(toGuest);
    send(b, plain);
    b.board.status = 0;
    assert.is(b.clock.next, Number.POSITIVE_INFINITY);
    b.backend.ready();
    assert.is(b.backend.waiting.length, 0, 'what comes while no driver is there is lost');
    Object.assign(b, start(b.board, packed, [MRG_RXBUF]));
    post(b, 1, 2048);
    b.backend.offer(toGuest);
    assert.is(b.rx.used(), HEADER + toGuest.length);
    assert.equal(b.board.memory.bytes.slice(RX_AT + HEADER, RX_AT + HEADER + toGuest.length), toGuest);
    b.clock.run(1e6);
    assert.is(b.tx.used(), undefined);
  }
});

test('saved in the middle of its work, another goes on with it', () => {
  for (const packed of BOTH) {
    const features = [MRG_RXBUF, CTRL_VQ, CTRL_RX, CTRL_MAC_ADDR];
    const b = bench(packed, features);
    assert.is(command(b, 1, 1, [...MAC_B]), 0);
    assert.is(command(b, 0, 0, [0]), 0);
    post(b, 2, 50);
    const frame = ethernet(
      MAC_B,
      MAC_A,
      0x1234,
      Array.from({ length: 200 }, (_, i) => i),
    );
    b.backend.offer(frame);
    send(b, plain);
    send(b, plain);
    b.clock.run(NET_LATENCY.frame + Math.round(plain.length * NET_LATENCY.byte));
    assert.is(b.tx.used(), 0);

    const state = structuredClone(b.board.pci.save());
    const clock = new FakeClock(b.clock.now());
    const backend = new FakeBackend();
    const net = new VirtioNet({ memory: b.board.memory, clock, backend, mac: MAC_A });
    const board = new Board(b.board.memory, net);
    board.pci.restore(state);
    board.decode();
    Object.assign(b.rx, { board });
    assert.equal(structuredClone(board.pci.save()), state);
    clock.run(1e6);
    assert.is(b.tx.used(), 0, 'the second frame');
    post(b, 4, 50, RX_AT + 100);
    backend.offer(frame);
    assert.equal([b.rx.used(), b.rx.used(), b.rx.used(), b.rx.used(), b.rx.used()], [50, 50, 50, 50, 26]);
    assert.equal(board.memory.bytes.slice(RX_AT + HEADER, RX_AT + HEADER + frame.length), frame);
    backend.offer(toGuest);
    assert.is(net.counters.ipackets64, 1, 'the address that was chosen still holds');
    assert.is(net.counters.opackets64, 2);
  }
});

test('a damaged state is refused', () => {
  const b = bench(false, [CTRL_VQ, CTRL_RX]);
  const state = structuredClone(b.board.pci.save()) as { device: Record<string, unknown>[] };
  for (const [key, value] of [
    ['waiting', 1],
    ['held', [{}]],
    ['held', [{ id: 1, slots: 1, parts: [-1] }]],
    ['mac', [1]],
    ['counters', []],
    ['filter', []],
    ['filter', [{}]],
    ['linkStatus', 7],
    ['starving', 1],
  ] as const) {
    const bad = structuredClone(state);
    (bad.device[0] as Record<string, unknown>)[key] = value;
    assert.throws(() => b.board.pci.restore(bad), /expected/, key);
  }
});

test.run();
