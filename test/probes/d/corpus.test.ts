/**
 * Every program of test/d does what is written beside it.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { close, CORPUS, difference, programs, run } from './corpus.ts';

const folders = Map.groupBy(programs(CORPUS), (path) => relative(CORPUS, path).split('/')[0] as string);
let last = folders.size;

for (const [folder, paths] of folders) {
  const programsOf = suite(folder);
  for (const path of paths) {
    programsOf(relative(CORPUS, path), async () => {
      const wrong = difference(path, await run(path));
      assert.is(wrong, undefined, `${wrong}\n${readFileSync(path, 'latin1')}`);
    });
  }
  programsOf.after(() => {
    last--;
    if (last === 0) close();
  });
  programsOf.run();
}
