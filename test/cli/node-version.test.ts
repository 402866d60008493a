import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

/** What the commands see as the version of Node.js. */
const pretend = (version: string): string =>
  `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'${version}'}})`;

for (const command of ['lucid', 'dlite', 'kstat', 'kvmstat']) {
  test(`${command} says that Node.js is too old`, () => {
    const file = fileURLToPath(new URL(`../../vmm/cli/${command}.ts`, import.meta.url));
    const run = (version: string) => spawnSync(process.execPath, ['--import', pretend(version), file, '--help'], { encoding: 'utf8' });
    const { status, stdout, stderr } = run('20.20.2');
    assert.match(stderr, new RegExp(`^${command}: needs Node.js 24 or later, and this is 20.20.2; [^\\n]+\\n$`));
    assert.is(stdout, '');
    assert.is(status, 2);
    assert.not.match(run('24.0.0').stderr, 'Node.js');
  });
}

test.run();
