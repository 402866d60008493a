import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RECORD, SPECIAL } from '../../../probes/arena.ts';
import type { EpidDescriptor, ProgramDescriptor } from '../../../probes/program.ts';
import { Conductor } from '../../../probes/session/conductor.ts';
import type { DropCount } from '../../../probes/session/enabling.ts';
import { hostNow, READING } from '../../../probes/session/messages.ts';
import type { ProgramEvents } from '../../../probes/session/program.ts';
import type { VoiceEnd } from '../../../probes/session/voice.ts';
import { NO_MEMORY } from '../no-memory.ts';

const probe = (id: number, provider: string, name: string) => ({ id, provider, module: '', func: '', name, args: [] });
const enabling = (epid: number, provider: string, name: string, action: 'trace' | 'exit' | 'printa' = 'trace'): EpidDescriptor => ({
  epid,
  probe: probe(epid, provider, name),
  clause: epid - 1,
  bytes: RECORD.HEADER,
  actions: [{ action, line: 1, data: [] }],
});

/** Epids of the program under test. */
const [BEGIN, END, TICK, PIO, QUIT, SUM] = [1, 2, 3, 4, 5, 6] as const;
const uint64 = { kind: 'int', name: 'uint64_t', bytes: 8, signed: false } as const;

function program(options: Record<string, number> = {}): ProgramDescriptor {
  return {
    epids: [
      undefined,
      enabling(BEGIN, 'dtrace', 'BEGIN'),
      enabling(END, 'dtrace', 'END'),
      enabling(TICK, 'profile', 'tick-1s', 'printa'),
      enabling(PIO, 'sdt', 'kvm-pio'),
      enabling(QUIT, 'sdt', 'kvm-cpuid', 'exit'),
      enabling(SUM, 'sdt', 'kvm-eoi', 'printa'),
    ],
    aggregations: [
      {
        name: 'a',
        id: 1,
        func: { name: 'count' },
        signed: false,
        keys: [uint64],
        keyData: [{ offset: 0, bytes: 8, type: uint64 }],
        keyBytes: 8,
        valueBytes: 8,
      },
    ],
    options,
    destructive: false,
    memory: { ...NO_MEMORY, buffer: 4096 },
  };
}

function record(epid: number, timestamp = 0, cpu = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(RECORD.HEADER);
  const view = new DataView(bytes.buffer);
  view.setUint32(RECORD.SIZE, bytes.length, true);
  view.setUint32(RECORD.EPID, epid, true);
  view.setUint32(RECORD.TIMESTAMP, timestamp, true);
  view.setUint32(RECORD.CPU, cpu, true);
  return bytes;
}

function fault(epid: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(RECORD.HEADER + 24);
  bytes.set(record(SPECIAL.FAULT));
  new DataView(bytes.buffer).setUint32(RECORD.SIZE, bytes.length, true);
  new DataView(bytes.buffer).setUint32(RECORD.HEADER, epid, true);
  return bytes;
}

/** A SNAPSHOT of aggregation 1. */
function snapshot(values: Record<number, number>): Uint8Array<ArrayBuffer> {
  const keys = Object.keys(values).map(Number);
  const bytes = new Uint8Array(RECORD.HEADER + 24 + 24 * keys.length);
  bytes.set(record(SPECIAL.SNAPSHOT));
  const view = new DataView(bytes.buffer);
  view.setUint32(RECORD.SIZE, bytes.length, true);
  view.setUint32(24, 1, true);
  view.setUint32(28, 3, true);
  view.setUint32(32, keys.length, true);
  view.setBigInt64(40, 1n, true);
  keys.forEach((key, i) => {
    const at = 48 + 24 * i;
    view.setUint32(at, 24, true);
    view.setBigUint64(at + 8, BigInt(key), true);
    view.setBigUint64(at + 16, BigInt(values[key] as number), true);
  });
  return bytes;
}

const NAMES = ['', 'BEGIN', 'END', 'tick', 'pio', 'quit', 'sum'];

/** What the output holds: a word for each record, `vm` by its cpu. */
function words(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: string[] = [];
  for (let at = 0; at < bytes.length; at += view.getUint32(at, true)) {
    const epid = view.getUint32(at + RECORD.EPID, true);
    if (epid === SPECIAL.SNAPSHOT) {
      const count = view.getUint32(at + 32, true);
      const elements = Array.from({ length: count }, (_, i) => {
        const element = at + 48 + 24 * i;
        return `${view.getBigUint64(element + 8, true)}=${view.getBigUint64(element + 16, true)}`;
      });
      found.push(`{${elements.join(' ')}}`);
    } else if (epid === SPECIAL.FAULT) found.push(`fault ${NAMES[view.getUint32(at + RECORD.HEADER, true)]}`);
    else found.push(`${NAMES[epid]}@${view.getUint32(at + RECORD.CPU, true)}`);
  }
  return found;
}

class Output {
  readonly said: string[] = [];
  readonly dropped: DropCount[] = [];
  isFull = false;
  aggregations: string[] | undefined;
  ends: readonly VoiceEnd[] = [];

  records(bytes: Uint8Array): void {
    this.said.push(...words(bytes));
  }

  drops(counts: readonly DropCount[]): void {
    this.dropped.push(...counts);
  }

  ended(aggregations: readonly Uint8Array[], ends: readonly VoiceEnd[]): void {
    this.aggregations = aggregations.flatMap(words);
    this.ends = ends;
  }
}

class Vm {
  stops = 0;
  resumes = 0;

  stop(): void {
    this.stops++;
  }

  resume(): void {
    this.resumes++;
  }
}

function stage(count: number, options: Record<string, number> = {}) {
  const output = new Output();
  const conductor = new Conductor(count);
  const vms = Array.from({ length: count }, () => new Vm());
  conductor.begin(program(options), vms, output);
  const voices = vms.map((_, i) => conductor.voice(i));
  return { output, conductor, vms, voices: voices as [ProgramEvents, ProgramEvents, ProgramEvents] };
}

const batch = (...records: Uint8Array[]): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.concat(records));
const say = (voice: ProgramEvents, ...records: Uint8Array[]): boolean =>
  voice.records({ hostMs: performance.now(), clockNs: 0, bytes: batch(...records) });

const test = suite('one output from several VMs');

test('a single VM is passed on as it comes', () => {
  const { output, voices } = stage(1);
  say(voices[0], record(BEGIN), record(PIO), snapshot({ 1: 2 }), record(TICK), record(QUIT), record(END));
  assert.equal(output.said, ['BEGIN@0', 'pio@0', '{1=2}', 'tick@0', 'quit@0', 'END@0']);
  voices[0].aggregations(READING.FIRST | READING.LAST, snapshot({ 1: 5 }));
  voices[0].ended({ exitStatus: 3 });
  assert.equal(output.aggregations, ['{1=5}']);
  assert.equal(output.ends, [{ exitStatus: 3 }]);
});

test('BEGIN is printed once, when all have had theirs; what each says otherwise comes from each', () => {
  const { output, voices } = stage(2);
  say(voices[0], record(BEGIN, 0, 0), record(PIO, 0, 0));
  assert.equal(output.said, []);
  say(voices[1], record(BEGIN, 0, 1), record(PIO, 0, 1), record(PIO, 0, 1));
  assert.equal(output.said, ['BEGIN@0', 'pio@0', 'pio@1', 'pio@1']);
});

test('a tick prints once, with the aggregations of all at their tick', () => {
  const { output, voices } = stage(2);
  for (let turn = 1; turn <= 2; turn++) {
    say(voices[1], snapshot({ 1: 10 * turn, 2: 1 }), record(TICK, 0, 1), record(PIO, 0, 1));
    say(voices[0], snapshot({ 1: turn }), record(TICK, 0, 0));
  }
  assert.equal(output.said, ['{1=11 2=1}', 'tick@0', 'pio@1', '{1=22 2=1}', 'tick@0', 'pio@1']);
});

test('nobody waits long for a VM that is behind; its own firing is passed over, but not what it knows', async () => {
  const { output, voices } = stage(2);
  say(voices[1], snapshot({ 1: 100 }), record(SUM, 0, 1));
  assert.equal(output.said, ['{1=100}', 'sum@1']);
  say(voices[0], snapshot({ 1: 1 }), record(TICK, 0, 0), record(PIO, 0, 0));
  assert.is(output.said.length, 2);
  await new Promise((resolve) => setTimeout(resolve, 1300));
  assert.equal(output.said.slice(2), ['{1=101}', 'tick@0', 'pio@0']);
  say(voices[1], snapshot({ 1: 200 }), record(TICK, 0, 1));
  assert.is(output.said.length, 5);
  say(voices[1], snapshot({ 1: 300 }), record(TICK, 0, 1));
  say(voices[0], snapshot({ 1: 2 }), record(TICK, 0, 0));
  assert.equal(output.said.slice(5), ['{1=302}', 'tick@0']);
});

test('exit() in one ends all, END is printed once and last, the aggregations are merged', () => {
  const { output, voices, vms } = stage(3);
  say(voices[1], record(QUIT, 0, 1), record(END, 0, 1));
  assert.equal(
    vms.map((vm) => vm.stops),
    [1, 1, 1],
  );
  const finish = (i: 0 | 1 | 2, status: number): void => {
    voices[i].aggregations(READING.FIRST | READING.LAST, snapshot({ 1: i + 1 }));
    voices[i].ended({ exitStatus: status });
  };
  finish(1, 7);
  say(voices[0], record(PIO, 0, 0), record(END, 0, 0));
  finish(0, 0);
  assert.equal(output.said, ['quit@1', 'pio@0']);
  say(voices[2], record(END, 0, 2));
  finish(2, 0);
  assert.equal(output.said, ['quit@1', 'pio@0', 'END@0']);
  assert.equal(output.aggregations, ['{1=6}']);
  assert.equal(
    output.ends.map((end) => end.exitStatus),
    [0, 7, 0],
  );
});

test('a VM whose guest ended does not print END while others run', () => {
  const { output, voices } = stage(2);
  say(voices[0], record(END, 0, 0));
  voices[0].ended({ exitStatus: 0 });
  say(voices[1], record(TICK, 0, 1));
  assert.equal(output.said, ['tick@1']);
  say(voices[1], record(END, 0, 1));
  voices[1].ended({ exitStatus: 0 });
  assert.equal(output.said, ['tick@1', 'END@0']);
});

test('a VM that is lost counts with what was last heard of it', () => {
  const { output, voices } = stage(2);
  voices[0].aggregations(READING.FIRST | READING.LAST, snapshot({ 1: 5 }));
  voices[0].ended({ exitStatus: 0, lost: 'gone' });
  voices[1].aggregations(READING.FIRST | READING.LAST, snapshot({ 1: 1, 3: 4 }));
  voices[1].ended({ exitStatus: 0 });
  assert.equal(output.aggregations, ['{1=6 3=4}']);
  assert.is(output.ends[0]?.lost, 'gone');
});

test('a fault of what fires in all alike is told once', () => {
  const { output, voices } = stage(2);
  say(voices[0], fault(BEGIN), fault(PIO));
  say(voices[1], fault(BEGIN), fault(PIO));
  assert.equal(output.said, ['fault BEGIN', 'fault pio', 'fault pio']);
});

test('while the output is full nothing is taken, and VMs are told to wait', () => {
  const { output, conductor, voices, vms } = stage(2);
  output.isFull = true;
  const much = batch(...Array.from({ length: 50_000 }, () => record(PIO)));
  assert.not(voices[0].records({ hostMs: 1, clockNs: 0, bytes: much }));
  assert.equal(output.said, []);
  output.isFull = false;
  conductor.run();
  assert.is(output.said.length, 50_000);
  assert.is(vms[0]?.resumes, 1);
});

test('temporal orders by the time of the host, whatever the VMs think it is', () => {
  const { output, voices } = stage(2, { temporal: 1 });
  const start = hostNow();
  const at = (ms: number): number => start + ms;
  // VM 0: clock 1000 at 10 ms, 3000 at 30 ms. VM 1: clock 7 at 10 ms, 207 at 30 ms.
  voices[0].records({ hostMs: at(10), clockNs: 1000, bytes: batch(record(PIO, 1000, 0)) });
  voices[1].records({ hostMs: at(10), clockNs: 7, bytes: batch(record(SUM, 7, 1)) });
  voices[0].records({ hostMs: at(30), clockNs: 3000, bytes: batch(record(PIO, 1500, 0), record(PIO, 3000, 0)) });
  voices[1].records({
    hostMs: at(30),
    clockNs: 207,
    bytes: batch(record(SUM, 17, 1), record(SUM, 107, 1), record(SUM, 206, 1), record(SUM, 207, 1)),
  });
  for (const voice of voices.slice(0, 2)) voice.ended({ exitStatus: 0 });
  assert.equal(output.said, ['pio@0', 'sum@1', 'sum@1', 'pio@0', 'sum@1', 'sum@1', 'pio@0', 'sum@1']);
});

test.run();
