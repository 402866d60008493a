/**
 * The tests of paging against the model, at two sizes. Figures go to stdout.
 *
 * @module
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_FEATURES } from '../../../vmm/cpu/cpuid.ts';
import type { Controls, Structure } from './paging.ts';
import { ACCESSES, atRandom, DEFAULT, eachBit, everyControl, PagingBench, places, rights } from './paging-cases.ts';

const HAS = (feature: string): boolean => (CORE_FEATURES as readonly string[]).includes(feature);

export interface Size {
  readonly structures: readonly Structure[];
  /** Every so-manieth combination of rights. */
  readonly step: number;
  /** Random entries for each setting of the controls and each access. */
  readonly randomCases: number;
}

export function testPaging(size: Size): void {
  for (const structure of size.structures) {
    if (structure === '5-level' && !HAS('la57')) {
      test.skip(`paging: ${structure}: the core has no LA57`, () => undefined);
      continue;
    }
    test(`paging: ${structure}: rights at every level, every control bit, every access`, () => {
      const bench = new PagingBench(structure);
      // 16, 64, 4096 and 32768 combinations.
      const step = structure === '32-bit' || structure === 'PAE' ? 1 : structure === '4-level' ? size.step : size.step * 8 - 1;
      let first = 0;
      for (const c of everyControl(structure, HAS('pku'))) {
        for (const kind of ACCESSES) {
          bench.choose(c, kind);
          rights(bench, first++ % step, step);
        }
      }
      report(bench, 3000);
    });

    test(`paging: ${structure}: pages of every size with flags at random`, () => {
      const bench = new PagingBench(structure);
      let seed = 1;
      for (const c of everyControl(structure, HAS('pku'))) {
        for (const kind of ACCESSES) {
          bench.choose(c, kind);
          atRandom(bench, c, size.randomCases, seed++);
        }
      }
      report(bench, 5000);
    });

    test(`paging: ${structure}: the physical address that pages of every size make`, () => {
      const bench = new PagingBench(structure);
      places(bench, { ...DEFAULT, structure, nxe: structure !== '32-bit' }, 20 * size.randomCases);
      report(bench, 1000);
    });

    test(`paging: ${structure}: each bit of each entry alone, with pages of 1 GiB and without`, () => {
      for (const gigabytePages of [true, false]) {
        const bench = new PagingBench(structure);
        bench.m.features(CORE_FEATURES.filter((f) => gigabytePages || f !== 'pdpe1gb'));
        for (const nxe of structure === '32-bit' ? [false] : [true, false]) {
          for (const pse of structure === '32-bit' ? [true, false] : [false]) {
            for (const kind of ACCESSES) {
              const c: Controls = { ...DEFAULT, structure, nxe, pse, gigabytePages };
              bench.choose(c, kind);
              eachBit(bench, c);
            }
          }
        }
        report(bench, 100);
      }
    });
  }
}

let total = 0;
function report(bench: PagingBench, least: number): void {
  assert.ok(bench.cases >= least, `${bench.cases} cases`);
  total += bench.cases;
  process.stdout.write(`${bench.structure}: ${bench.cases} cases, ${total} so far\n`);
}
