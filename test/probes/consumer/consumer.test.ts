/** The consumer as a whole: rows, flow, what printa() shows when, faults, drops, actions that do something, the end. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FAULT, RECORD, SPECIAL } from '../../../probes/arena.ts';
import type { EffectiveOptions } from '../../../probes/program.ts';
import {
  aggregation,
  BEGIN,
  element,
  enabling,
  type Enabling,
  END,
  exit,
  int,
  join,
  Listener,
  long,
  printf,
  probe,
  program,
  said,
  text,
  trace,
  types,
} from './trace.ts';

const START = probe(37, 'io', 'blk', 'start', 'go');

function special(epid: number, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(RECORD.HEADER + body.length);
  const view = new DataView(record.buffer);
  view.setUint32(RECORD.SIZE, record.length, true);
  view.setUint32(RECORD.EPID, epid, true);
  record.set(body, RECORD.HEADER);
  return record;
}

function fault(epid: number, action: number, offset: number, kind: number, address = 0n): Uint8Array<ArrayBuffer> {
  const body = new DataView(new ArrayBuffer(24));
  body.setUint32(0, epid, true);
  body.setUint32(4, action, true);
  body.setUint32(8, offset, true);
  body.setUint32(12, kind, true);
  body.setBigUint64(16, address, true);
  return special(SPECIAL.FAULT, new Uint8Array(body.buffer));
}

function run(enablings: readonly Enabling[], options: EffectiveOptions = {}, records = enablings.map(({ record }) => record)): Listener {
  const listener = new Listener(program(enablings, options));
  listener.consumer.records(join(...records));
  return listener;
}

test('the end is a newline, quiet or not', () => {
  const listener = new Listener(program([], { quiet: 1 }));
  listener.consumer.end();
  listener.consumer.end();
  assert.is(listener.output, '\n');
});

test('exit() says nothing and gives the status, of which END may have another', () => {
  const begin = enabling(1, BEGIN, [exit(3)]);
  const end = enabling(2, END, [exit(-1)]);
  const listener = run([begin, end], { quiet: 1 }, [begin.record]);
  assert.is(listener.consumer.exitStatus, 3);
  listener.consumer.records(end.record);
  assert.is(listener.consumer.end(), -1);
  assert.is(listener.output, '\n');
});

test('actions say what they say one after the other, then the row ends', () => {
  const one = enabling(1, BEGIN, [printf('one '), trace(int(2)), printf(' three')]);
  assert.is(run([one]).output.split('\n')[1], '  0      1                           :BEGIN one         2 three');
});

test('records of enablings that nobody described, and fillers, are passed over', () => {
  const one = enabling(1, BEGIN, [printf('x')]);
  const listener = run([one], { quiet: 1 }, [special(77, new Uint8Array(8)), special(SPECIAL.PAD, new Uint8Array(16)), one.record]);
  assert.is(listener.output, 'x');
});

test('what is cut off is no record', () => {
  const one = enabling(1, BEGIN, [printf('%d', long(1))]);
  const listener = run([one], { quiet: 1 }, [one.record, one.record.slice(0, 28)]);
  assert.is(listener.output, '1');
  listener.consumer.records(new Uint8Array(64));
  assert.is(listener.output, '1');
});

const entry = (epid: number, func: string, provider = 'fbt'): Enabling =>
  enabling(epid, probe(10 + epid, provider, 'm', func, 'entry'), []);
const exits = (epid: number, func: string, provider = 'fbt'): Enabling =>
  enabling(epid, probe(10 + epid, provider, 'm', func, 'return'), []);

test('-F: entries indent, returns come back, everything else has a bar', () => {
  const list = [
    entry(1, 'ioctl', 'syscall'),
    entry(2, 'getf'),
    enabling(3, probe(50, 'sdt', 'm', 'getf', 'here'), []),
    exits(4, 'getf'),
    exits(5, 'ioctl', 'syscall'),
    enabling(6, probe(51, 'lang', '', 'f', 'method-entry'), []),
    enabling(7, probe(52, 'lang', '', 'f', 'carpentry'), []),
  ];
  const listener = run(list, { flowindent: 1 });
  listener.consumer.end();
  const lines = listener.output.split('\n');
  const row = (name: string): string => `  0 ${name.padEnd(41)} `;
  assert.equal(lines, [
    `CPU ${'FUNCTION'.padEnd(41)}`,
    row(' => ioctl'),
    row('   -> getf'),
    row('    | getf:here'),
    row('   <- getf'),
    row(' <= ioctl'),
    row(' -> f'),
    row('  | f:carpentry'),
    '',
    '',
  ]);
});

test('-F: two clauses of one probe are one entry, and one return, wherever the records are cut', () => {
  const at = probe(20, 'fbt', 'm', 'f', 'entry');
  const back = probe(21, 'fbt', 'm', 'f', 'return');
  const list = [enabling(1, at, []), enabling(2, at, []), enabling(3, back, []), enabling(4, back, []), enabling(5, back, [])];
  const whole = run(list, { flowindent: 1, quiet: 1 });
  whole.consumer.end();
  const names = whole.output.match(/ {2}0 .{41} /g)?.map((line) => line.slice(4).trimEnd());
  assert.equal(names, [' -> f', '  | f:entry', '  | f:return', '  | f:return', ' <- f']);
  const pieces = new Listener(program(list, { flowindent: 1, quiet: 1 }));
  for (const { record } of list) pieces.consumer.records(record);
  pieces.consumer.end();
  assert.is(pieces.output, whole.output);
});

test('-F shows the flow even when quiet', () => {
  assert.is(run([entry(1, 'f')], { flowindent: 1, quiet: 1 }).output, `CPU ${'FUNCTION'.padEnd(41)}\n  0 ${' -> f'.padEnd(41)} `);
});

test('printa() shows what came before its record; two of them what came for each', () => {
  const counts = aggregation(1, 'a', { name: 'count' });
  const printa = { action: 'printa', format: '%@d ', aggregations: [1] } as const;
  const tick = enabling(1, BEGIN, [printa, { action: 'clear', aggregations: [1] }, printa]);
  const listener = new Listener(program([tick], { quiet: 1 }, [counts]));
  const of = (n: number): Uint8Array<ArrayBuffer> => counts.snapshot([element([], n)]);
  listener.consumer.records(join(of(5), of(0), tick.record, of(7), of(0), tick.record));
  assert.is(listener.output, '5 0 7 0 ');
});

test('a snapshot may come in parts, and in several batches', () => {
  const keyed = aggregation(1, 'a', { name: 'count' }, [types.int]);
  const printa = enabling(1, BEGIN, [{ action: 'printa', format: '%d ', aggregations: [1] }]);
  const listener = new Listener(program([printa], { quiet: 1 }, [keyed]));
  const parts = keyed.snapshot(
    [1, 2, 3, 4, 5, 6].map((n) => element([n], n)),
    1,
    3,
  );
  const third = parts.length / 3;
  for (let i = 0; i < 3; i++) listener.consumer.records(parts.slice(i * third, (i + 1) * third));
  listener.consumer.records(printa.record);
  assert.is(listener.output, '1 2 3 4 5 6 ');
});

test('at the end, aggregations are printed that no printa() has shown anything of', () => {
  const a = aggregation(1, 'a', { name: 'count' });
  const b = aggregation(2, 'b', { name: 'count' });
  const printa = enabling(1, BEGIN, [{ action: 'printa', format: '%@d\n', aggregations: [1] }]);
  const listener = new Listener(program([printa], { quiet: 1 }, [a, b]));
  listener.consumer.records(join(a.snapshot([element([], 1)]), printa.record));
  listener.consumer.aggregations(join(a.snapshot([element([], 2)]), b.snapshot([element([], 3)])));
  listener.consumer.end();
  assert.is(listener.output, '1\n\n                3\n');

  const empty = new Listener(program([printa], { quiet: 1 }, [a]));
  empty.consumer.records(join(a.snapshot([]), printa.record));
  empty.consumer.aggregations(a.snapshot([element([], 2)]));
  empty.consumer.end();
  assert.is(empty.output, '\n                2\n');
});

test('of several readings at the end the last one counts', () => {
  const a = aggregation(1, 'a', { name: 'count' });
  const listener = new Listener(program([], {}, [a]));
  listener.consumer.aggregations(a.snapshot([element([], 1)]));
  listener.consumer.aggregations(a.snapshot([element([], 2)]));
  listener.consumer.end();
  assert.is(listener.output, '\n                2\n');
});

test('faults: the enabling, the probe, what, where', () => {
  const start = enabling(1, START, [trace(int(1))]);
  const begin = enabling(2, BEGIN, []);
  const listener = run([start, begin], {}, [
    fault(1, 1, 24, FAULT.BADADDR, 0xdead_beef_0000n),
    fault(1, 2, 0, FAULT.BADALIGN, 3n),
    fault(2, 0, 8, FAULT.DIVZERO),
    fault(2, 1, 0xffff_ffff, FAULT.ILLOP),
    fault(2, 1, 4, 77),
  ]);
  assert.is(
    listener.errors,
    'dtrace: error on enabled probe ID 1 (ID 37: io:blk:start:go): invalid address (0xdeadbeef0000) in action #1 at DIF offset 24\n' +
      'dtrace: error on enabled probe ID 1 (ID 37: io:blk:start:go): invalid alignment (0x3) in action #2 at DIF offset 0\n' +
      'dtrace: error on enabled probe ID 2 (ID 1: dtrace:::BEGIN): divide-by-zero in predicate at DIF offset 8\n' +
      'dtrace: error on enabled probe ID 2 (ID 1: dtrace:::BEGIN): illegal operation in action #1\n' +
      'dtrace: error on enabled probe ID 2 (ID 1: dtrace:::BEGIN): unknown fault in action #1 at DIF offset 4\n',
  );
  assert.is(listener.output, '');
});

test('every fault has its words', () => {
  const words = (['NOSCRATCH', 'KPRIV', 'UPRIV', 'TUPOFLOW', 'BADSTACK'] as const).map((kind) => {
    const listener = run([enabling(1, BEGIN, [])], {}, [fault(1, 1, 0, FAULT[kind])]);
    return /BEGIN\): (.*) in action/.exec(listener.errors)?.[1];
  });
  assert.equal(words, ['out of scratch space', 'invalid kernel access', 'invalid user access', 'tuple stack overflow', 'bad stack']);
});

test('drops: how many of what', () => {
  const listener = new Listener(program([]), { command: 'dlite' });
  listener.consumer.drops([
    { kind: 'PRINCIPAL', count: 12 },
    { kind: 'PRINCIPAL', count: 1 },
    { kind: 'AGGREGATION', count: 2 },
    { kind: 'DYNAMIC', count: 1 },
    { kind: 'DYNRINSE', count: 2 },
    { kind: 'DYNDIRTY', count: 3 },
    { kind: 'SPEC', count: 1 },
    { kind: 'SPECBUSY', count: 2 },
    { kind: 'SPECUNAVAIL', count: 1 },
    { kind: 'STKSTROVERFLOW', count: 2 },
    { kind: 'DBLERROR', count: 1 },
    { kind: 'SPEC', count: 0 },
  ]);
  assert.equal(listener.errors.split('\n'), [
    'dlite: 12 drops on CPU 0',
    'dlite: 1 drop on CPU 0',
    'dlite: 2 aggregation drops on CPU 0',
    'dlite: 1 dynamic variable drop',
    'dlite: 2 dynamic variable drops with non-empty rinsing list',
    'dlite: 3 dynamic variable drops with non-empty dirty list',
    'dlite: 1 speculative drop',
    'dlite: 2 failed speculations (available buffer(s) still busy)',
    'dlite: 1 failed speculation (no speculative buffer available)',
    'dlite: 2 jstack()/ustack() string table overflows',
    'dlite: 1 error in ERROR probe enabling',
    '',
  ]);
});

test('droptags puts the kind in front', () => {
  const listener = new Listener(program([], { droptags: 1 }));
  listener.consumer.drops([{ kind: 'PRINCIPAL', count: 12 }]);
  assert.is(listener.errors, 'dtrace: [DTRACEDROP_PRINCIPAL] 12 drops on CPU 0\n');
});

test('what was traced before a message is written before it', () => {
  const one = enabling(1, BEGIN, [printf('before')]);
  const seen: string[] = [];
  const listener = new Listener(program([one], { quiet: 1 }), {
    output: (bytes) => seen.push(Buffer.from(bytes).toString()),
    errors: (bytes) => seen.push(Buffer.from(bytes).toString()),
  });
  listener.consumer.records(join(one.record, fault(1, 1, 0, FAULT.DIVZERO)));
  assert.is(seen[0], 'before');
  assert.match(seen[1] ?? '', /divide-by-zero/);
});

test('setopt() changes the layout from then on; a heading that was due while quiet does not come later', () => {
  const setopt = (name: string, value?: string): Enabling =>
    enabling(1, BEGIN, [printf('x'), { action: 'setopt', fields: [text(name), ...(value === undefined ? [] : [text(value)])] }]);
  const quiet = setopt('quiet');
  const after = enabling(2, BEGIN, [printf('y')]);
  assert.ok(run([quiet, after]).output.endsWith(':BEGIN xy'));
  const loud = setopt('quiet', 'no');
  const listener = run([loud, after], { quiet: 1 });
  assert.is(listener.output, 'x\n  0      1                           :BEGIN y\n');
});

test('a setopt() that cannot be is a fault of its own kind, with an empty line behind as in the original', () => {
  const bad = (name: string, value: string): string =>
    run([enabling(1, BEGIN, [{ action: 'setopt', fields: [text(name), text(value)] }])], { quiet: 1 }).errors;
  const start = 'dtrace: error on enabled probe ID 1 (ID 1: dtrace:::BEGIN): ';
  assert.is(bad('nonsense', '1'), `${start}couldn't set option "nonsense" to "1": Invalid option name\n\n`);
  assert.is(bad('switchrate', 'often'), `${start}couldn't set option "switchrate" to "often": Invalid value for specified option\n\n`);
  assert.is(bad('bufsize', '1m'), `${start}couldn't set option "bufsize" to "1m": Operation illegal when tracing is active\n\n`);
});

test('system() runs its command after what was traced before it, and only with -w', () => {
  const action = { action: 'system', format: 'echo %s %d', fields: [text('hi'), int(5)] } as const;
  const seen: string[] = [];
  const more = {
    output: (bytes: Uint8Array) => seen.push(Buffer.from(bytes).toString()),
    run: (command: string) => seen.push(`$ ${command}`),
  };
  said([printf('before '), action, printf('after')], { destructive: 1 }, more);
  assert.equal(seen, ['before ', '$ echo hi 5', 'after']);
  seen.length = 0;
  said([action], {}, more);
  assert.equal(seen, []);
});

test('freopen() appends to a file, an empty name comes back, ftruncate() empties the file', () => {
  const folder = mkdtempSync(path(tmpdir(), 'consumer-'));
  try {
    const freopen = (file: string) => ({ action: 'freopen', format: '%s', fields: [text(file)] }) as const;
    const file = path(folder, 'out');
    const back = { action: 'freopen', format: '' } as const;
    const seen = said([printf('1'), freopen(file), printf('2'), back, printf('3'), freopen(file), printf('4'), back]);
    assert.is(seen, '13');
    assert.is(readFileSync(file, 'utf8'), '24');
    assert.is(said([freopen(file), printf('5'), { action: 'ftruncate' }, printf('6'), back]), '');
    assert.is(readFileSync(file, 'utf8'), '6');
    const bad = run([enabling(1, BEGIN, [freopen(path(folder, 'no', 'such')), printf('still here')])], { quiet: 1 });
    assert.is(bad.output, 'still here');
    assert.is(
      bad.errors,
      `dtrace: error on enabled probe ID 1 (ID 1: dtrace:::BEGIN): couldn't freopen() "${path(folder, 'no', 'such')}": No such file or directory\n`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('large traces are handed over in pieces', () => {
  const one = enabling(1, BEGIN, [printf('%s\n', text('x'.repeat(250)))]);
  const sizes: number[] = [];
  const listener = new Listener(program([one], { quiet: 1 }), { output: (bytes) => sizes.push(bytes.length) });
  listener.consumer.records(join(...new Array<Uint8Array<ArrayBuffer>>(1000).fill(one.record)));
  assert.ok(sizes.length > 1);
  assert.ok(Math.max(...sizes) < 100_000);
  assert.is(
    sizes.reduce((a, b) => a + b),
    251_000,
  );
});

test.run();
