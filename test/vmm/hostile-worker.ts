/**
 * The thread in which hostile.test.ts runs its guests, so that one that never ends can be told from outside.
 *
 * @module
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Bench, Broken, difference, type Ending, ROADS, type Stand } from './hostile-bench.ts';
import { Board } from './hostile-board.ts';
import { type Mode, MODES, STYLES } from './hostile-guest.ts';

/** What a thread is to do: guests of seeds by every road, or `lives` of guests from the first seed on, so many instructions in each mode. */
export interface Work {
  readonly stand: 'bench' | 'board' | 'lives';
  readonly seeds: readonly number[];
  /** Instructions of each guest, or of each of its lives. */
  readonly limit: number;
  /** Only with 'lives': instructions in each of the modes. */
  readonly instructions?: number;
  readonly modes?: readonly Mode[];
  readonly progress: Uint8Array;
}

/** What it found. */
export interface Findings {
  readonly wrong: readonly string[];
  /** Instructions retired by the first road of each guest. */
  readonly instructions: number;
}

export const PROGRESS_BYTES = 128;
/** The run at hand, with a number of its own. */
function announce(progress: Uint8Array, what: string): void {
  const text = new TextEncoder().encode(what);
  progress.fill(0);
  progress.set(text.subarray(0, PROGRESS_BYTES));
}
export const announced = (progress: Uint8Array): string => new TextDecoder().decode(progress.slice()).replaceAll('\0', '');

/** Anything else that is thrown is a defect too, and its stack says more. */
const told = (error: unknown): string => (error instanceof Broken ? error.message : ((error as Error).stack ?? String(error)));

function byEveryRoad({ stand, seeds, limit, progress }: Work): Findings {
  const on: Stand = stand === 'bench' ? new Bench() : new Board();
  const wrong: string[] = [];
  let instructions = 0;
  for (const seed of seeds) {
    for (const mode of MODES) {
      for (const style of STYLES) {
        let first: Ending | undefined;
        for (const road of ROADS) {
          const name = `seed ${seed}, ${mode}, ${style}, ${road.name}`;
          announce(progress, name);
          try {
            const ending = on.go(seed, mode, style, limit, road);
            if (road === ROADS[0]) {
              first = ending;
              instructions += ending.instructions;
            }
            const other = first && difference(first, ending);
            if (other !== undefined) wrong.push(`${name}: ${other}`);
          } catch (error) {
            wrong.push(`${name}: ${told(error)}`);
          }
        }
      }
    }
  }
  return { wrong, instructions };
}

/** Lives of one guest: enough that setting it up costs little, few enough that its memory is not all worn out. */
const LIVES = 16;

function lives({ seeds, limit, instructions: wanted = 0, modes = MODES, progress }: Work): Findings {
  const bench = new Bench();
  const wrong: string[] = [];
  let instructions = 0;
  for (const mode of modes) {
    let sum = 0;
    for (let seed = seeds[0] as number; sum < wanted && wrong.length < 20; seed++) {
      for (const style of STYLES) {
        const name = `seed ${seed}, ${mode}, ${style}, lives`;
        announce(progress, name);
        try {
          sum += bench.lives(seed, mode, style, limit, LIVES);
        } catch (error) {
          wrong.push(`${name}: ${told(error)}`);
        }
      }
    }
    instructions += sum;
  }
  return { wrong, instructions };
}

if (parentPort !== null && workerData !== null) {
  const work = workerData as Work;
  parentPort.postMessage(work.stand === 'lives' ? lives(work) : byEveryRoad(work));
}
