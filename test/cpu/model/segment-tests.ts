/**
 * The tests of segments against the model: one case in `every` of the largest tables. Figures go to stdout.
 *
 * @module
 */
import process from 'node:process';
import { test } from 'uvu';
import type { Mode } from './machine.ts';
import { edges, stackEdges } from './limit-cases.ts';
import { codeLoads, dataLoads, questions, SegmentBench, stackReturns } from './segment-cases.ts';

const MODES: readonly Mode[] = ['prot32', 'compat', 'long'];
let total = 0;

function counted(name: string, mode: Mode, every: number, run: (bench: SegmentBench) => void): void {
  test(`${name}, ${mode}`, () => {
    const bench = new SegmentBench(mode, every);
    run(bench);
    total += bench.cases;
    process.stdout.write(`${name}: ${bench.cases} cases, ${total} so far\n`);
  });
}

export function testSegments(every: number): void {
  for (const mode of MODES) {
    for (const load of ['MOV', 'POP', 'Lxx'] as const)
      counted(`segments: ${load} of every descriptor`, mode, every, (b) => dataLoads(b, load));
    for (const t of ['JMP', 'CALL', 'RETF', 'IRET'] as const)
      counted(`segments: far ${t} to every descriptor`, mode, every, (b) => codeLoads(b, t));
    for (const t of ['RETF', 'IRET'] as const)
      counted(`segments: ${t} to an outer level with every stack segment`, mode, every, (b) => stackReturns(b, t));
    for (const q of ['LAR', 'LSL', 'VERR', 'VERW'] as const)
      counted(`segments: ${q} of every descriptor`, mode, every, (b) => questions(b, q));
  }
  for (const mode of ['prot32', 'prot16', 'compat', 'vm86', 'real', 'long'] as const) {
    counted('segments: accesses at every edge of a limit', mode, every, (b) => edges(b));
    if (mode !== 'real') counted('segments: PUSH and POP at every edge of the stack', mode, every, (b) => stackEdges(b));
  }
}
