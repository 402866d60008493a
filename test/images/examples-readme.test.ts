/** The output that images/examples/README.md shows is what its commands print; lines that it leaves out it marks. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const README = readFileSync(join(ROOT, 'images/examples/README.md'), 'utf8');
const LEFT_OUT = '…';
const folder = mkdtempSync(join(tmpdir(), 'lucid-lessons-'));
test.after(() => rmSync(folder, { recursive: true }));

/** Commands of a block, and what is shown below the last of them. */
interface Block {
  readonly commands: string;
  readonly shown: readonly string[];
}

const blocks = [...README.matchAll(/^```\n(\$ [\s\S]*?)^```$/gm)].map(([, text = '']): Block => {
  const lines = text.trimEnd().split('\n');
  const isCommand = (line: string): boolean => line.startsWith('$ ');
  return {
    commands: lines
      .filter(isCommand)
      .map((line) => line.slice(2))
      .join('\n'),
    shown: lines.filter((line) => !isCommand(line)),
  };
});

/** What the block's commands print, run where the links of the text lead and nothing is written. */
function printed({ commands }: Block): string[] {
  const lucid = `lucid() { '${process.execPath}' '${join(ROOT, 'vmm/cli/lucid.ts')}' "$@"; }`;
  const script = `${lucid}\n${commands}`;
  const { stdout } = spawnSync('bash', ['-c', script], { cwd: folder, encoding: 'utf8', env: { ...process.env, XDG_RUNTIME_DIR: folder } });
  return stdout.trimEnd().split('\n');
}

/** Every line that is shown stands in the output, next to the one before unless lines are left out there. */
function assertShown(shown: readonly string[], output: readonly string[]): void {
  let at = 0;
  let gap = false;
  for (const line of shown) {
    if (line === LEFT_OUT) {
      gap = true;
      continue;
    }
    const found = gap ? output.indexOf(line, at) : at;
    assert.is(output[found]?.trimEnd(), line.trimEnd());
    at = found + 1;
    gap = false;
  }
}

execFileSync('ln', ['-s', join(ROOT, 'images'), join(folder, 'images')]);
const small = blocks.filter(({ commands }) => !commands.includes('~/.cache'));

test('there are lessons', () => {
  assert.ok(small.length >= 7);
});

for (const block of small) test(block.commands, () => assertShown(block.shown, printed(block)));

test.run();
