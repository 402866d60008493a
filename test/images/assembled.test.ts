/** Guests of assembly in the tree are what their sources give. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const tools = ['gcc', 'ld'].every((tool) => spawnSync(tool, ['--version']).status === 0);
if (!tools) process.stdout.write('gcc and ld are not installed: guests are not built again\n');

for (const folder of ['examples', 'exit-cost']) {
  const name = `the guests of images/${folder} are what guest.S gives`;
  if (!tools) test.skip(name, () => {});
  else
    test(name, () => {
      const script = fileURLToPath(new URL(`../../images/${folder}/build.ts`, import.meta.url));
      const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
      assert.is(status, 0, stderr);
    });
}

test.run();
