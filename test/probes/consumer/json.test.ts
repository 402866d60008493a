/** `--json`: every line is JSON, is what output.schema.json says, and holds the data that the text shows. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DROPS, FAULT, RECORD, SPECIAL } from '../../../probes/arena.ts';
import { arrayOf } from '../../../probes/d/ctype.ts';
import type { EnumType } from '../../../probes/d/types.ts';
import { violations } from './json-schema.ts';
import {
  aggregation,
  BEGIN,
  dynamic,
  element,
  enabling,
  type Enabling,
  exit,
  field,
  int,
  join,
  Listener,
  long,
  printf,
  program,
  quantized,
  struct,
  type TestAction,
  type TestAggregation,
  text,
  trace,
  types,
} from './trace.ts';

const SCHEMA = JSON.parse(readFileSync(new URL('../../../probes/consumer/output.schema.json', import.meta.url), 'utf8'));
const PROBE = { id: 1, provider: 'dtrace', module: '', function: '', name: 'BEGIN' };

interface Line {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** The lines of a trace, each checked against the schema. */
function linesOf(listener: Listener): Line[] {
  assert.ok(listener.output === '' || listener.output.endsWith('\n'));
  const lines = listener.output.split('\n').slice(0, -1);
  return lines.map((line) => {
    const object = JSON.parse(Buffer.from(line, 'latin1').toString('utf8')) as Line;
    assert.equal(violations(object, SCHEMA), [], line);
    return object;
  });
}

function listen(list: readonly Enabling[], aggregations: readonly TestAggregation[] = []): Listener {
  return new Listener(program(list, {}, aggregations), { json: true });
}

/** What the actions of one BEGIN leave. */
function actionsOf(...actions: TestAction[]): unknown[] {
  const begin = enabling(1, BEGIN, actions);
  const listener = listen([begin]);
  listener.consumer.records(begin.record);
  return linesOf(listener)[0]?.['actions'] as unknown[];
}

test('a record: where, when, which, and its actions', () => {
  const begin = enabling(1, BEGIN, [printf('%d %s\n', int(-1), text('a')), exit(3)], { cpu: 2, timestamp: 123 });
  const listener = listen([begin]);
  listener.consumer.records(begin.record);
  assert.is(
    listener.output,
    '{"type":"record","cpu":2,"time":123,"epid":1,"probe":{"id":1,"provider":"dtrace","module":"","function":"","name":"BEGIN"},' +
      '"actions":[{"action":"printf","text":"-1 a\\n","arguments":[-1,"a"]},{"action":"exit","status":3}]}\n',
  );
  assert.is(listener.consumer.end(), 3);
  assert.equal(linesOf(listener).at(-1), { type: 'end', status: 3 });
});

test('a record of a speculation says so; a clause without a body has no actions', () => {
  const begin = enabling(1, BEGIN, [{ action: 'default' }], { flags: 1 });
  const listener = listen([begin]);
  listener.consumer.records(begin.record);
  assert.equal(linesOf(listener), [{ type: 'record', cpu: 0, time: 0, epid: 1, probe: PROBE, speculative: true, actions: [] }]);
});

test('integers that a double cannot hold are texts', () => {
  const at = (value: bigint): unknown => (actionsOf(trace(long(value)))[0] as { value: unknown }).value;
  assert.is(at(2n ** 53n - 1n), 2 ** 53 - 1);
  assert.is(at(2n ** 53n), '9007199254740992');
  assert.is(at(-(2n ** 63n)), '-9223372036854775808');
});

test('text is text: UTF-8 as it is, other bytes one by one, control characters escaped', () => {
  const utf8 = Buffer.from('é€', 'utf8').toString('latin1');
  assert.equal(actionsOf(trace(text(utf8)), trace(text('\xff"\n'))), [
    { action: 'trace', value: 'é€' },
    { action: 'trace', value: 'ÿ"\n' },
  ]);
});

test('bytes are hexadecimal, stacks lists of frames, symbols names', () => {
  const stack = field(dynamic('stack', 24), new Uint8Array(new BigUint64Array([0x10n, 0xffff_ffff_8100_0000n, 0n]).buffer), 24);
  assert.equal(
    actionsOf(
      { action: 'tracemem', fields: [field(dynamic('bytes', 3), Uint8Array.of(0, 0xab, 1), 3)] },
      { action: 'stack', fields: [stack] },
      { action: 'sym', fields: [field(dynamic('sym', 8), 0x1234n, 8)] },
    ),
    [
      { action: 'tracemem', value: { bytes: '00ab01' } },
      { action: 'stack', value: ['0x10', '0xffffffff81000000'] },
      { action: 'sym', value: '0x1234' },
    ],
  );
});

test('print(): structures by member, bit-fields with their sign, enumerators by name', () => {
  const color: EnumType = {
    kind: 'enum',
    tag: 'color',
    complete: true,
    members: [
      ['RED', 0n],
      ['GREEN', 5n],
    ],
  };
  const type = struct('s', 24, [
    ['c', types.char, 0],
    ['lo', types.int, 4, { shift: 0, width: 3 }],
    ['hi', types.unsigned, 4, { shift: 3, width: 5 }],
    ['col', color, 8],
    ['a', arrayOf(types.short, 2), 12],
    ['name', arrayOf(types.char, 4), 16],
  ]);
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setInt8(0, -3);
  view.setUint32(4, 0b11111_101, true);
  view.setInt32(8, 5, true);
  view.setInt16(12, -2, true);
  bytes.set([0x6f, 0x6b], 16);
  assert.equal(actionsOf({ action: 'print', fields: [field(type, bytes, 24)] }), [
    { action: 'print', type: 'struct s', value: { c: -3, lo: -3, hi: 31, col: 'GREEN', a: [-2, 0], name: 'ok' } },
  ]);
});

test('printa(): the elements as they were, in the order of the text, and the text when there is a format', () => {
  const counts = aggregation(1, 'a', { name: 'count' }, [[types.string, 16], types.int]);
  const sums = aggregation(2, 'b', { name: 'sum' }, [[types.string, 16], types.int]);
  const printa = { action: 'printa', aggregations: [1] } as const;
  const begin = enabling(1, BEGIN, [printa, { action: 'printa', format: '%s %d %@d %@d\n', aggregations: [1, 2] }]);
  const listener = listen([begin], [counts, sums]);
  const a = counts.snapshot([element(['x', 2], 20), element(['y', -1], 10)], 10);
  const b = sums.snapshot([element(['y', -1], -5)]);
  listener.consumer.records(join(a, a, b, begin.record));
  const elements = [
    { key: ['y', -1], value: 1 },
    { key: ['x', 2], value: 2 },
  ];
  const first = { name: '@a', function: 'count', normalization: 10, elements };
  assert.equal(linesOf(listener)[0]?.['actions'], [
    { action: 'printa', aggregations: [first] },
    {
      action: 'printa',
      text: 'y -1 1 -5\nx 2 2 0\n',
      aggregations: [first, { name: '@b', function: 'sum', normalization: 1, elements: [{ key: ['y', -1], value: -5 }] }],
    },
  ]);
});

test('the end: aggregations that no printa() has shown, histograms by their buckets', () => {
  const shown = aggregation(1, 'shown', { name: 'count' });
  const average = aggregation(2, 'av', { name: 'avg' });
  const quantize = aggregation(3, 'q', { name: 'quantize' });
  const linear = aggregation(4, 'l', { name: 'lquantize', base: 0, limit: 20, step: 10 }, [], { buckets: 4 });
  const begin = enabling(1, BEGIN, [{ action: 'printa', aggregations: [1] }]);
  const listener = listen([begin], [shown, average, quantize, linear]);
  listener.consumer.records(join(shown.snapshot([element([], 1)]), begin.record));
  listener.consumer.aggregations(
    join(
      shown.snapshot([element([], 2)]),
      average.snapshot([element([], 3, 10)]),
      quantize.snapshot([element([], ...quantized({ 0: 1, 4: 2, [-2]: 3 }))]),
      linear.snapshot([element([], 1, 0, 2, 3)]),
    ),
  );
  listener.consumer.end();
  assert.equal(linesOf(listener).slice(1), [
    { type: 'aggregation', name: '@av', function: 'avg', normalization: 1, elements: [{ key: [], value: 3 }] },
    {
      type: 'aggregation',
      name: '@q',
      function: 'quantize',
      normalization: 1,
      elements: [
        {
          key: [],
          buckets: [
            { least: -2, count: 3 },
            { least: 0, count: 1 },
            { least: 8, count: 2 },
          ],
        },
      ],
    },
    {
      type: 'aggregation',
      name: '@l',
      function: 'lquantize',
      normalization: 1,
      elements: [
        {
          key: [],
          buckets: [
            { below: 0, count: 1 },
            { least: 10, count: 2 },
            { least: 20, count: 3 },
          ],
        },
      ],
    },
    { type: 'end', status: 0 },
  ]);
});

test('faults, failures and drops stand in the trace', () => {
  const begin = enabling(1, BEGIN, [{ action: 'setopt', fields: [text('nonsense'), text('1')] }]);
  const listener = listen([begin]);
  const fault = new DataView(new ArrayBuffer(RECORD.HEADER + 24));
  fault.setUint32(RECORD.SIZE, fault.byteLength, true);
  fault.setUint32(RECORD.EPID, SPECIAL.FAULT, true);
  [1, 2, 0xffff_ffff, FAULT.BADADDR].forEach((word, i) => {
    fault.setUint32(RECORD.HEADER + 4 * i, word, true);
  });
  fault.setBigUint64(RECORD.HEADER + 16, 0xdead_0000_beefn, true);
  listener.consumer.records(join(new Uint8Array(fault.buffer), begin.record));
  listener.consumer.drops(DROPS.map((kind) => ({ kind, count: 2 })));
  const [first, failure, record, ...drops] = linesOf(listener);
  assert.equal(first, {
    type: 'error',
    message: 'error on enabled probe ID 1 (ID 1: dtrace:::BEGIN): invalid address (0xdead0000beef) in action #2',
    epid: 1,
    probe: PROBE,
    fault: 'invalid address',
    action: 2,
    address: '0xdead0000beef',
  });
  assert.match(String(failure?.['message']), /couldn't set option "nonsense" to "1"/);
  assert.is(record?.type, 'record');
  assert.equal(
    drops.map(({ kind }) => kind),
    DROPS,
  );
  assert.is(drops[0]?.['message'], '2 drops on CPU 0');
  // Nothing of it goes to the errors' own output.
  assert.is(listener.errors, '');
});

test('the schema refuses what is no line', () => {
  assert.ok(violations({ type: 'record' }, SCHEMA).length > 0);
  assert.ok(violations({ type: 'end', status: 0, more: 1 }, SCHEMA).length > 0);
  assert.ok(violations({ type: 'drop', message: '', kind: 'MOST', count: 1 }, SCHEMA).length > 0);
});

test.run();
