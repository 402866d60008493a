/**
 * The thread in which hostile.test.ts runs its guests, so that one that never ends can be told from outside.
 *
 * @module
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Bench, Broken, difference, type Ending, ROADS, type Stand } from './hostile-bench.ts';
import { Board } from './hostile-board.ts';
import { type Mode, MODES, type Style, STYLES } from './hostile-guest.ts';

/** What a thread is to do. */
export interface Work {
  readonly stand: 'bench' | 'board';
  readonly seeds: readonly number[];
  /** Instructions of each guest. */
  readonly limit: number;
  /** One word: runs begun (see `runs`). */
  readonly progress: Int32Array;
}

/** What it found. */
export interface Findings {
  readonly wrong: readonly string[];
  /** Instructions retired by the first road of each guest. */
  readonly instructions: number;
}

/** Every run of a thread, in order. */
export function* runs(seeds: readonly number[]): Generator<{ seed: number; mode: Mode; style: Style; road: (typeof ROADS)[number] }> {
  for (const seed of seeds)
    for (const mode of MODES) for (const style of STYLES) for (const road of ROADS) yield { seed, mode, style, road };
}

function all({ stand, seeds, limit, progress }: Work): Findings {
  const on: Stand = stand === 'bench' ? new Bench() : new Board();
  const wrong: string[] = [];
  let first: Ending | undefined;
  let instructions = 0;
  for (const { seed, mode, style, road } of runs(seeds)) {
    Atomics.add(progress, 0, 1);
    if (road === ROADS[0]) first = undefined;
    try {
      const ending = on.go(seed, mode, style, limit, road);
      if (road === ROADS[0]) {
        first = ending;
        instructions += ending.instructions;
      }
      const other = first && difference(first, ending);
      if (other !== undefined) wrong.push(`seed ${seed}, ${mode}, ${style}, ${road.name}: ${other}`);
    } catch (error) {
      // Anything else that is thrown is a defect too, and its stack says more.
      wrong.push(`seed ${seed}, ${mode}, ${style}, ${road.name}: ${error instanceof Broken ? error.message : (error as Error).stack}`);
    }
  }
  return { wrong, instructions };
}

if (parentPort !== null) parentPort.postMessage(all(workerData as Work));
