/**
 * How far two runs are alike, exit by exit: everything that a record has but its time, the instructions retired so far, the address space and the
 * modelled cost.
 *
 * Logs are read one after the other, so of the first one sums of its blocks are kept, and the block that differs is looked at again.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import type { RunLog } from './run-log.ts';

const BLOCK = 4096;
/** Most runs that differ do so early: the beginning is looked at first. */
const FIRST = 16 * BLOCK;

/** The words of a record that count, from RIP to what was read or written. */
const WORDS_FROM = EXIT_RECORD.RIP;
const WORDS_TO = EXIT_RECORD.VALUE + 8;

/** Takes one exit into a sum. */
function summed(sum: number, view: DataView, at: number): number {
  let hash = sum;
  for (let word = WORDS_FROM; word < WORDS_TO; word += 4) hash = mixed(hash, view.getUint32(at + word, true));
  hash = mixed(hash, view.getUint8(at + EXIT_RECORD.VECTOR));
  return mixed(hash, view.getUint32(at + EXIT_RECORD.REASON, true));
}

/** As in MurmurHash3, by Austin Appleby (public domain): every bit of a word reaches every bit of the sum. */
function mixed(sum: number, word: number): number {
  const k = Math.imul(word, 0xcc9e2d51);
  const rotated = sum ^ Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  return (Math.imul((rotated << 13) | (rotated >>> 19), 5) + 0xe6546b64) | 0;
}

/** Of the first exits of a log, at most `most`, the sum at the end of each block. */
function blockSums(log: RunLog, most: number): { sums: Int32Array; exits: number } {
  let [sums, sum, exits] = [new Int32Array(64), 0, 0];
  log.read((view, at) => {
    if (exits === most) return false;
    sum = summed(sum, view, at);
    if (++exits % BLOCK !== 0) return true;
    const block = exits / BLOCK - 1;
    if (block === sums.length) {
      const larger = new Int32Array(2 * sums.length);
      larger.set(sums);
      sums = larger;
    }
    sums[block] = sum;
    return true;
  });
  return { sums, exits };
}

/** Sums of the exits of one block, each by itself. */
function exitSums(log: RunLog, from: number): Int32Array {
  const sums = new Int32Array(BLOCK);
  let exits = 0;
  log.read((view, at) => {
    if (exits >= from) sums[exits - from] = summed(0, view, at);
    return ++exits < from + BLOCK;
  });
  return sums.subarray(0, Math.max(0, exits - from));
}

/** Exits at the beginning in which two runs do not differ. */
export function alikeExits(a: RunLog, b: RunLog): number {
  for (const most of [FIRST, Number.POSITIVE_INFINITY]) {
    const [x, y] = [blockSums(a, most), blockSums(b, most)];
    const exits = Math.min(x.exits, y.exits);
    const blocks = Math.floor(exits / BLOCK);
    let same = 0;
    while (same < blocks && x.sums[same] === y.sums[same]) same++;
    if (same === blocks && exits === most) continue;
    const [p, q] = [exitSums(a, same * BLOCK), exitSums(b, same * BLOCK)];
    let more = 0;
    while (more < p.length && more < q.length && p[more] === q[more]) more++;
    return same * BLOCK + more;
  }
  return 0;
}
