/** The same file of expectations says the same of the same guest every time, byte for byte, whatever else the machine does. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { finished, runtimePlace, start } from '../cli/stat-commands.ts';
import { FULL, reference } from './reference.ts';

const BUDGET = fileURLToPath(new URL('../../images/examples/linux-boot.yaml', import.meta.url));
const RUNS = FULL ? 20 : 2;
const folder = mkdtempSync(join(tmpdir(), 'lucid-repeat-'));
const place = runtimePlace();
const busy = new Worker('for (;;);', { eval: true });
test.after(async () => {
  await busy.terminate();
  place.remove();
  rmSync(folder, { recursive: true });
});
const linux = await reference();

if (linux === undefined) test.skip('Linux (cannot be had here)');
else {
  const { kernel = '', initrd = '' } = linux.image;
  const files = ['--kernel', kernel, '--initrd', initrd];
  const junit = join(folder, 'report.xml');

  for (const more of [[], ['--cpus', '2']])
    test(`${RUNS} reports of Linux ${more.join(' ')} are identical`, async () => {
      const reports: Record<string, Set<string>> = { json: new Set(), text: new Set(), junit: new Set() };
      let status: number | null | undefined;
      for (let run = 0; run < RUNS; run++) {
        // Each run writes JUnit XML and one of the others.
        const form = RUNS === 2 || run % 2 === 0 ? 'json' : 'text';
        const args = ['expect', BUDGET, '--junit', junit, ...(form === 'json' ? ['--json'] : []), '--', ...files, ...more];
        const ended = await finished(start('lucid', args, place.xdg));
        assert.is(ended.status, (status ??= ended.status), ended.err);
        reports[form]?.add(ended.out);
        reports['junit']?.add(readFileSync(junit, 'utf8'));
      }
      for (const [form, all] of Object.entries(reports)) assert.ok(all.size <= 1, `${all.size} different reports as ${form}`);
      assert.ok([...(reports['json'] ?? [])][0]?.includes('"expectations"'));
    });
}

test.run();
