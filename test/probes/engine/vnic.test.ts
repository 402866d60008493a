/** The vnic provider: a NIC's frames as D programs see them. Driver and back end are the test; device, tracer and compiler are real. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type NetBackend, NOBODY, PLAIN, type Receiver } from '../../../devices/net/backend.ts';
import type { Protection } from '../../../devices/net/protection.ts';
import { VirtioNet } from '../../../devices/virtio/net.ts';
import { compile } from '../../../probes/d/compile.ts';
import { DEVICE_PROBE, listen, wanted } from '../../../probes/points.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';
import { Board, FakeMemory, SplitDriver } from '../../devices/virtio/board.ts';
import { Guest } from '../../vmm/guest.ts';
import { AROUND, Traced, TracedProgram } from './traced.ts';

const test = suite('vnic');

test.after.each(() => {
  listen(null);
});

const registry = new ProbeRegistry();
const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const RX = 0;
const TX = 1;
const VERSION_1 = 32;
const RX_AT = 0x1000;
const TX_AT = 0x2000;
const RX_BUFFERS = 0x8000;
const TX_BUFFER = 0x4000;
const HEADER = 12;

class Wire implements NetBackend {
  receiver: Receiver = NOBODY;
  readonly sent: Uint8Array[] = [];
  send(frame: Uint8Array): void {
    this.sent.push(frame.slice());
  }
  ready(): void {}
  close(): void {}
}

/** Nobody may send frames of that type. */
const against = (ethertype: number): Protection => ({
  macNospoof: false,
  check: (frame) => ((((frame[12] as number) << 8) | (frame[13] as number)) === ethertype ? 'ipspoofed' : undefined),
});

class Bench {
  readonly guest = new Guest({ code: 'f4' });
  readonly memory = new FakeMemory();
  readonly wire = new Wire();
  readonly net: VirtioNet;
  readonly tx: SplitDriver;

  constructor() {
    const { clock } = this.guest.vm;
    this.net = new VirtioNet({ memory: this.memory, clock, backend: this.wire, mac: MAC, protection: against(0x88cc), instance: 2 });
    const board = new Board(this.memory, this.net);
    board.negotiate([VERSION_1]);
    const rx = new SplitDriver(board, RX, 8, RX_AT);
    this.tx = new SplitDriver(board, TX, 8, TX_AT);
    board.status = 0x0f;
    for (let i = 0; i < 2; i++) rx.add([{ gpa: RX_BUFFERS + 0x800 * i, length: 1600, write: true }]);
    rx.kick();
  }

  send(frame: Uint8Array): void {
    this.memory.bytes.fill(0, TX_BUFFER, TX_BUFFER + HEADER);
    this.memory.bytes.set(frame, TX_BUFFER + HEADER);
    this.tx.add([{ gpa: TX_BUFFER, length: HEADER + frame.length }]);
    this.tx.kick();
  }
}

function frame(to: string, from: string, ethertype: number, payload: readonly number[]): Uint8Array {
  const mac = (text: string): number[] => text.split(':').map((digits) => Number.parseInt(digits, 16));
  return Uint8Array.from([...mac(to), ...mac(from), ethertype >> 8, ethertype & 0xff, ...payload]);
}

function trace(bench: Bench, text: string): TracedProgram {
  const { program } = compile([{ form: 'program', name: 'test', text }], { probes: registry, options: { bufsize: 1 << 20 } });
  const { tracer, vm } = new Traced(bench.guest.vm);
  const running = tracer.add(program, AROUND, false);
  tracer.begin(running);
  return new TracedProgram(vm, program, running);
}

const rows = (program: TracedProgram): unknown[] => program.records().map(({ name, data }) => [name, ...data]);
const OURS = '52:54:00:12:34:56';
const GATEWAY = '52:55:0a:00:02:02';
const ALL = `trace(args[0]->length); trace(args[0]->ethertype); trace(args[0]->source); trace(args[0]->destination); trace(args[0]->reason);
  trace(args[1]->name); trace(args[1]->instance); trace(args[1]->mac);`;
/** An IPv4 header from 10.0.2.15 to 10.0.2.2, as far as addresses go. */
const IPV4 = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2];

test('frames that leave and enter: length, type, addresses, and which NIC', () => {
  const bench = new Bench();
  const program = trace(bench, `vnic:::tx, vnic:::rx { ${ALL} }`);
  bench.send(frame(GATEWAY, OURS, 0x0800, IPV4));
  assert.is(bench.wire.sent.length, 1);
  bench.wire.receiver(frame(OURS, GATEWAY, 0x0806, [1, 2, 3]), PLAIN);
  const nic = ['net2', 2n, OURS];
  assert.equal(rows(program), [
    ['tx', 34n, 0x800n, OURS, GATEWAY, '', ...nic],
    ['rx', 17n, 0x806n, GATEWAY, OURS, '', ...nic],
  ]);
});

test('frames that go nowhere, and why', () => {
  const bench = new Bench();
  const program = trace(bench, `vnic:::drop { ${ALL} }`);
  bench.send(frame(GATEWAY, OURS, 0x88cc, [1]));
  bench.send(new Uint8Array(5));
  // Longer than any of the guest's buffers.
  bench.wire.receiver(frame(OURS, GATEWAY, 0x0800, new Array<number>(3000).fill(0)), PLAIN);
  const nic = ['net2', 2n, OURS];
  assert.equal(rows(program), [
    ['drop', 15n, 0x88ccn, OURS, GATEWAY, 'ipspoofed', ...nic],
    ['drop', 0n, 0n, '', '', 'oerrors', ...nic],
    ['drop', 3014n, 0x800n, GATEWAY, OURS, 'ierrors', ...nic],
  ]);
  assert.equal(bench.wire.sent, []);
});

test("a frame's bytes, read through its address", () => {
  const bench = new Bench();
  const program = trace(
    bench,
    `vnic:::tx {
       trace(args[0]->captured); trace(args[0]->address[14] & 0xff); trace(ntohs(*(uint16_t *)(args[0]->address + 12)));
       trace(inet_ntoa((ipaddr_t *)(args[0]->address + 26))); trace(inet_ntoa((ipaddr_t *)(args[0]->address + 30)));
     }`,
  );
  bench.send(frame(GATEWAY, OURS, 0x0800, IPV4));
  assert.equal(rows(program), [['tx', 34n, 0x45n, 0x800n, '10.0.2.15', '10.0.2.2']]);
});

test('nothing is made for a point that nobody has enabled', () => {
  const bench = new Bench();
  trace(bench, 'vnic:::rx { }');
  assert.ok(wanted(DEVICE_PROBE.VNIC_RX));
  assert.not(wanted(DEVICE_PROBE.VNIC_TX));
  assert.not(wanted(DEVICE_PROBE.IO_START));
});

test.run();
