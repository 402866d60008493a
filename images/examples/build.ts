/**
 * Builds the guests of the examples from `guest.S`: `node images/examples/build.ts`. With `--check` it compares with the files that are there instead.
 *
 * Exit status: 0 built or equal, 1 different, 2 no compiler.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

const HERE = import.meta.dirname;
const LDFLAGS = ['-m', 'elf_i386', '-n', '-static', '--build-id=none', '-Ttext=0x100000', '-e', 'start', '--no-warn-rwx-segments'];

/** How each guest waits. */
const GUESTS: Readonly<Record<string, string>> = { poll: '-DPOLL', wait: '-DHZ=1000', often: '-DHZ=10000' };

/** Runs a tool; why it failed. */
function run(command: string, args: readonly string[], cwd: string): string | undefined {
  const { error, status, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  return error === undefined && status === 0 ? undefined : `${command}: ${error?.message ?? stderr}\n`;
}

const folder = mkdtempSync(join(tmpdir(), 'lucid-examples-'));
try {
  for (const [name, way] of Object.entries(GUESTS)) {
    const object = `${name}.o`;
    const wrong =
      run('gcc', ['-m32', '-c', way, 'guest.S', '-o', join(folder, object)], HERE) ??
      run('ld', [...LDFLAGS, object, '-o', `${name}.elf`], folder);
    if (wrong !== undefined) {
      process.stderr.write(wrong);
      process.exitCode = 2;
      break;
    }
    const made = readFileSync(join(folder, `${name}.elf`));
    const kept = join(HERE, `${name}.elf`);
    if (!process.argv.includes('--check')) writeFileSync(kept, made);
    else if (!readFileSync(kept).equals(made)) {
      process.stderr.write(`${name}.elf: differs from what guest.S gives here\n`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
