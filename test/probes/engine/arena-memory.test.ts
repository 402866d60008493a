/** The trace area's memory: what is taken is zero, and what is given back is used again. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fitArena, writeHeader } from '../../../probes/engine/arena-header.ts';
import { ArenaMemory } from '../../../probes/engine/arena-memory.ts';
import { ARENA, POLICY, STATE } from '../../../probes/arena.ts';
import { generate } from '../../../probes/d/codegen/generate.ts';
import { action, clause, program, text, trace } from '../d/codegen/nodes.ts';
import { AROUND, probe } from './traced.ts';

const test = suite('arena memory');

const PAGE = 4096;
const area = () => new ArrayBuffer(16 * PAGE);

test('memory is taken in pages, first fit, and neighbours join again', () => {
  const memory = new ArenaMemory(area(), 4 * PAGE, 16 * PAGE);
  assert.is(memory.largest, 12 * PAGE);
  const [a, b, c] = [memory.take(1), memory.take(PAGE + 1), memory.take(3 * PAGE)] as [number, number, number];
  assert.equal([a, b, c], [4 * PAGE, 5 * PAGE, 7 * PAGE]);
  assert.is(memory.take(7 * PAGE), undefined);
  memory.give(b);
  assert.is(memory.take(3 * PAGE), 10 * PAGE);
  assert.is(memory.take(2 * PAGE), 5 * PAGE);
  for (const at of [5 * PAGE, 4 * PAGE, 10 * PAGE, 7 * PAGE]) memory.give(at);
  assert.is(memory.largest, 12 * PAGE);
  assert.throws(() => memory.give(4 * PAGE), RangeError);
});

test('what was used is zero when it is taken again', () => {
  const buffer = area();
  const memory = new ArenaMemory(buffer, 0, 16 * PAGE);
  const at = memory.take(4 * PAGE) as number;
  new Uint8Array(buffer, at, 4 * PAGE).fill(0xa5);
  memory.give(at);
  const again = memory.take(8 * PAGE) as number;
  assert.is(again, at);
  assert.ok(new Uint8Array(buffer, again, 8 * PAGE).every((byte) => byte === 0));
});

const wide = program([clause(probe('BEGIN'), [trace(text('x'))]), clause(probe('END'), [trace(text('y'))])]);

test('the largest of buffer, aggregations and dynamic variables is halved until all of it fits', () => {
  const { descriptor } = generate(wide, { bufsize: 8 << 20, aggsize: 4 << 20, dynvarsize: 1 << 20 });
  const fitted = fitArena(descriptor, 6 << 20);
  assert.equal(fitted?.lowered, { bufsize: 2 << 20, aggsize: 2 << 20 });
  assert.ok((fitted?.places.bytes ?? 0) <= 6 << 20);
  assert.equal(fitArena(descriptor, 32 << 20)?.lowered, {});
  assert.is(fitArena({ ...descriptor, options: { ...descriptor.options, bufresize: 'manual' } }, 6 << 20), undefined);
  assert.is(fitArena(descriptor, 1 << 18), undefined);
});

test('a buffer stays large enough for two of the largest records', () => {
  const large = program([clause(probe('BEGIN'), [action('stack', [], { size: 60_000 })])]);
  const { descriptor } = generate(large, { bufsize: 4 << 20 });
  const record = descriptor.epids[1]?.bytes ?? 0;
  let least = Number.POSITIVE_INFINITY;
  for (let room = 6 << 20; room > 1 << 18; room -= 1 << 16) least = Math.min(least, fitArena(descriptor, room)?.sizes.buffer ?? least);
  assert.ok(least >= 2 * record && least < 4 * record, `${least} ${record}`);
});

test('the header says where everything is', () => {
  const { descriptor } = generate(wide, { bufsize: 8192, bufpolicy: 'ring', strsize: 64 });
  const fitted = fitArena(descriptor, 16 << 20);
  if (fitted === undefined) throw new Error('does not fit');
  const memory = new ArrayBuffer(fitted.places.bytes + PAGE);
  writeHeader(memory, PAGE, descriptor, fitted, { ...AROUND, execname: 'n'.repeat(300), epochNs: 5n, seed: -1n }, true);
  const view = new DataView(memory, PAGE);
  const word = (field: number): number => view.getUint32(field, true);
  assert.equal([word(ARENA.STATE), word(ARENA.POLICY), word(ARENA.WAIT)], [STATE.IDLE, POLICY.RING, 1]);
  assert.equal([word(ARENA.PID), word(ARENA.VMID), word(ARENA.RING_BYTES)], [321, 7, 8192]);
  assert.is(word(ARENA.RING), PAGE + fitted.places.ring);
  assert.is(word(ARENA.BYTES), fitted.places.bytes);
  assert.equal([view.getBigUint64(ARENA.EPOCH, true), view.getBigUint64(ARENA.SEED, true)], [5n, 0xffff_ffff_ffff_ffffn]);
  const name = Buffer.from(memory, PAGE + ARENA.EXECNAME, ARENA.NAME_BYTES);
  assert.is(name.indexOf(0), ARENA.NAME_BYTES - 1);
  assert.ok(word(ARENA.RESERVE) > 64);
});

test.run();
