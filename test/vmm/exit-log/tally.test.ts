/** Counts of exits are exact for as many keys as there is room for, and say what there was none for. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Folded } from '../../../vmm/exit-log/folded.ts';
import { KeyTable } from '../../../vmm/exit-log/key-table.ts';
import { EXIT_RECORD } from '../../../vmm/cpu/layout.ts';
import { callChain } from '../../../vmm/exit-log/describe.ts';
import { RECORD_BYTES } from '../../../vmm/exit-log/record.ts';
import { Tally } from '../../../vmm/exit-log/tally.ts';
import { Random } from '../../cpu/host-random.ts';
import { syntheticLog } from './synthetic.ts';

const test = suite('tally');

/** Records of a log, each exit's with those of its call chain. */
function* exits(count: number, stack: number, addresses: number): Generator<[view: DataView, at: number, chain: number]> {
  const [, ...pieces] = syntheticLog({ exits: count, stack, addresses });
  const chain = stack > EXIT_RECORD.CHAIN_FIRST ? 2 : 1;
  for (const piece of pieces.slice(0, -1)) {
    const view = new DataView(piece.buffer, piece.byteOffset, piece.length);
    for (let at = 0; at < piece.length; at += (1 + chain) * RECORD_BYTES) yield [view, at, chain];
  }
}

test('a table of keys gives each key one number, as many as there is room for', () => {
  const random = new Random(3);
  const table = new KeyTable(50_000);
  const known = new Map<string, number>();
  const words = new Uint32Array(6);
  for (let i = 0; i < 200_000; i++) {
    const length = 1 + random.below(6);
    for (let n = 0; n < length; n++) words[n] = random.below(12);
    const text = words.subarray(0, length).join(',');
    const number = table.find(words, length);
    const old = known.get(text);
    if (old === undefined && number >= 0) {
      assert.is(number, known.size);
      known.set(text, number);
      assert.is(table.key(number).join(','), text);
    } else assert.is(number, old ?? -1);
  }
  assert.is(known.size, 50_000);
  assert.is(table.size, 50_000);
});

for (const key of ['rip', 'call-chain'] as const) {
  test(`exits by ${key} are those that a plain count finds`, () => {
    const tally = new Tally(key);
    const plain = new Map<string, number>();
    for (const [view, at, chain] of exits(20_000, 7, 3000)) {
      tally.add(view, at, chain);
      const rip = view.getBigUint64(at + EXIT_RECORD.RIP, true);
      const name = (key === 'rip' ? [rip] : [rip, ...callChain(view, at, chain)]).map((a) => `0x${a.toString(16)}`).join(' < ');
      plain.set(name, (plain.get(name) ?? 0) + 1);
    }
    assert.is(tally.keys, plain.size);
    assert.is(tally.count, 20_000);
    const rows = tally.rows();
    assert.equal(new Map(rows.map((row) => [row.key, row.count])), plain);
    assert.equal(tally.rows(5), rows.slice(0, 5));
  });
}

test('what there is no room for is counted together, and is not lost', () => {
  const tally = new Tally('rip', undefined, undefined, 10);
  for (const [view, at, chain] of exits(5000, 0, 100)) tally.add(view, at, chain);
  const rows = tally.rows();
  assert.is(rows.length, 11);
  assert.equal([rows.at(-1)?.key, rows.at(-1)?.count], ['all others', tally.uncounted]);
  assert.is(
    rows.reduce((sum, row) => sum + row.count, 0),
    5000,
  );
  assert.is(tally.rows(2).at(-1)?.key, 'all others');
  const folded = new Folded((address) => `f${address & 7n}`, 10);
  for (const [view, at, chain] of exits(5000, 2, 100)) folded.add(view, at, chain);
  const counted = folded.lines().reduce((sum, line) => sum + Number(/ (\d+)\n$/.exec(line)?.[1]), 0);
  assert.is(counted + folded.uncounted, 5000);
});

test.run();
