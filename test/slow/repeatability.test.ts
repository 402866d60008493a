/**
 * Two boots are the same boot: instruction count, exits by reason with their modelled times, and the hash over all exits (reason, rip,
 * instruction count), whatever else the machine does meanwhile.
 *
 * Full size: ten boots, every other one beside as many busy loops as there are processors. Reduced: one of each.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runLucid, type LucidReport } from '../bench/engines.ts';
import { FULL, reference, WITHOUT_TESTS } from './reference.ts';

const BOOTS = FULL ? 10 : 2;

/** Everything that is to repeat: all but what the host took. */
function guestPart({ host: _, ...rest }: LucidReport): object {
  return rest;
}

/** Runs `work` while every processor also has something else to do. */
function besideBusyLoops<T>(work: () => T): T {
  const loops = Array.from({ length: availableParallelism() }, () => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
  try {
    return work();
  } finally {
    for (const loop of loops) loop.kill('SIGKILL');
  }
}

const linux = await reference();

(linux === undefined ? test.skip : test)(`${BOOTS} boots, half of them beside busy loops, are one and the same`, () => {
  const image = { ...(linux as NonNullable<typeof linux>).image, append: WITHOUT_TESTS };
  const first = runLucid(image);
  for (let i = 1; i < BOOTS; i++) {
    const again = i % 2 === 1 ? besideBusyLoops(() => runLucid(image)) : runLucid(image);
    assert.equal(guestPart(again.report), guestPart(first.report), `boot ${i + 1}`);
    assert.is(again.console, first.console, `console of boot ${i + 1}`);
  }
});

test.run();
