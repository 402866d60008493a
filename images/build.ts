/**
 * Builds the built-in guest, `images/builtin/lucid-guest.elf`, from its sources; `npm run images`.
 *
 * With `--check` it builds into a temporary folder and compares: the committed file is what its sources give, bit for bit. That holds for one
 * compiler, so the manifest beside the file records which one, and a difference under another compiler is reported as what it is.
 *
 * Exit status: 0 built or equal, 1 different or the build failed, 2 wrong option or no compiler.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SOURCE = join(import.meta.dirname, 'builtin');
const IMAGE = join(SOURCE, 'lucid-guest.elf');
const MANIFEST = join(SOURCE, 'lucid-guest.json');
const MAX_SIZE = 100_000;

const KERNEL_C = ['main', 'console', 'boot', 'acpi', 'memory', 'apic', 'traps', 'process'];
const KERNEL_S = ['start', 'trap'];

/** No unwinding tables, build ids, paths, or host's defaults (PIE, stack protector, CET) get into the file. */
const CFLAGS = [
  ...['-m64', '-march=x86-64', '-std=gnu11', '-O2', '-g0', '-Wall', '-Wextra', '-Werror', '-ffreestanding', '-nostdlib', '-fno-pic'],
  ...['-no-pie', '-mcmodel=small', '-mno-red-zone', '-mgeneral-regs-only', '-mno-mmx', '-mno-sse', '-mno-sse2', '-mno-80387'],
  ...['-fno-stack-protector', '-fno-asynchronous-unwind-tables', '-fno-unwind-tables', '-fcf-protection=none', '-fno-ident'],
  ...['-fno-strict-aliasing', '-fno-builtin', '-fno-tree-loop-distribute-patterns', '-frandom-seed=lucid'],
];
const LDFLAGS = ['-m', 'elf_x86_64', '-static', '-nostdlib', '--build-id=none', '-z', 'noexecstack', '-z', 'max-page-size=0x1000'];

interface Manifest {
  readonly gcc: string;
  readonly ld: string;
  readonly bytes: number;
  readonly sha256: string;
}

class BuildError extends Error {
  override readonly name = 'BuildError';
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

function run(command: string, args: readonly string[], cwd: string): string {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C', SOURCE_DATE_EPOCH: '0' } });
  if (result.error !== undefined) {
    throw new BuildError(`${command}: cannot be run (${result.error.message}); gcc and binutils are needed (Debian: build-essential)`, 2);
  }
  if (result.status !== 0) throw new BuildError(`${command} failed:\n${result.stderr}${result.stdout}`, 1);
  return result.stdout;
}

/** Builds in `folder`; the ELF file's bytes. */
function build(folder: string): Buffer {
  const cc = (name: string, extension: string): string => {
    const object = join(folder, `${name}.o`);
    // start.S takes user.bin from the build folder by .incbin.
    run('gcc', [...CFLAGS, `-ffile-prefix-map=${SOURCE}=.`, `-Wa,-I${folder}`, '-c', `${name}.${extension}`, '-o', object], SOURCE);
    return object;
  };
  const user = join(folder, 'user.elf');
  run('ld', [...LDFLAGS, '--no-warn-rwx-segments', '-T', 'user.ld', cc('user', 'c'), '-o', user], SOURCE);
  run('objcopy', ['-O', 'binary', '-j', '.text', user, join(folder, 'user.bin')], SOURCE);
  const objects = [...KERNEL_S.map((name) => cc(name, 'S')), ...KERNEL_C.map((name) => cc(name, 'c'))];
  const image = join(folder, 'lucid-guest.elf');
  run('ld', [...LDFLAGS, '--no-warn-rwx-segments', '-T', 'kernel.ld', ...objects, '-o', image], SOURCE);
  const bytes = readFileSync(image);
  if (bytes.length > MAX_SIZE) throw new BuildError(`lucid-guest.elf has ${bytes.length} bytes; at most ${MAX_SIZE} are allowed`, 1);
  return bytes;
}

function describe(bytes: Buffer): Manifest {
  const firstLine = (command: string): string => run(command, ['--version'], SOURCE).split('\n')[0] ?? '';
  return { gcc: firstLine('gcc'), ld: firstLine('ld'), bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

function check(bytes: Buffer): void {
  const committed = readFileSync(IMAGE);
  if (committed.equals(bytes)) {
    process.stdout.write(`lucid-guest.elf: ${bytes.length} bytes, equal to what its sources give\n`);
    return;
  }
  const recorded = JSON.parse(readFileSync(MANIFEST, 'utf8')) as Manifest;
  const now = describe(bytes);
  const tools = (['gcc', 'ld'] as const).filter((tool) => recorded[tool] !== now[tool]);
  const why =
    tools.length === 0
      ? 'its sources changed without `npm run images`'
      : tools.map((tool) => `${tool} here is "${now[tool]}", the committed file was built with "${recorded[tool]}"`).join('; ');
  throw new BuildError(
    `lucid-guest.elf differs from what its sources give (sha256 ${now.sha256}, committed ${recorded.sha256}): ${why}`,
    1,
  );
}

function main(args: readonly string[]): void {
  if (args.some((arg) => arg !== '--check'))
    throw new BuildError(`images/build.ts: unknown option ${args.join(' ')}; only --check is known`, 2);
  const folder = mkdtempSync(join(tmpdir(), 'lucid-images-'));
  try {
    const bytes = build(folder);
    if (args.includes('--check')) {
      check(bytes);
      return;
    }
    writeFileSync(IMAGE, bytes);
    writeFileSync(MANIFEST, `${JSON.stringify(describe(bytes), null, 2)}\n`);
    process.stdout.write(`lucid-guest.elf: ${bytes.length} bytes written\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.status;
}
