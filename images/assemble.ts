/**
 * Makes multiboot guests of 32-bit assembly: what the build scripts of `examples/` and `exit-cost/` have in common.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

const LDFLAGS = ['-m', 'elf_i386', '-n', '-static', '--build-id=none', '-Ttext=0x100000', '-e', 'start', '--no-warn-rwx-segments'];

/** Runs a tool; why it failed. */
function run(command: string, args: readonly string[], cwd: string): string | undefined {
  const { error, status, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  return error === undefined && status === 0 ? undefined : `${command}: ${error?.message ?? stderr}\n`;
}

/**
 * Makes each `NAME.elf` of `folder` from its source with its flags; with `--check` on the command line it compares with the files that are there instead.
 * Sets the exit status: 0 built or equal, 1 different, 2 no compiler.
 */
export function assemble(folder: string, guests: Readonly<Record<string, readonly string[]>>, source = 'guest.S'): void {
  const work = mkdtempSync(join(tmpdir(), 'lucid-guests-'));
  try {
    for (const [name, flags] of Object.entries(guests)) {
      const object = `${name}.o`;
      const wrong =
        run('gcc', ['-m32', '-c', ...flags, source, '-o', join(work, object)], folder) ??
        run('ld', [...LDFLAGS, object, '-o', `${name}.elf`], work);
      if (wrong !== undefined) {
        process.stderr.write(wrong);
        process.exitCode = 2;
        break;
      }
      const made = readFileSync(join(work, `${name}.elf`));
      const kept = join(folder, `${name}.elf`);
      if (!process.argv.includes('--check')) writeFileSync(kept, made);
      else if (!readFileSync(kept).equals(made)) {
        process.stderr.write(`${name}.elf: differs from what ${source} gives here\n`);
        process.exitCode = 1;
      }
    }
  } finally {
    rmSync(work, { recursive: true });
  }
}
