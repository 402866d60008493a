/** What a short run loads: time to the first instruction is mostly that of loading modules, and this does not depend on the machine. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const CLI = fileURLToPath(new URL('../../vmm/cli/', import.meta.url));
const NOTE = new URL('./note-modules.ts', import.meta.url).href;
const ROOT = new URL('../../', import.meta.url).href;
const GUEST = fileURLToPath(new URL('../../images/examples/poll.elf', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lucid-start-'));

interface Loaded {
  readonly status: number | null;
  readonly main: readonly string[];
  readonly worker: readonly string[];
}

/** Runs a command; the modules that its threads loaded, those of this repository by their path in it. */
function loaded(command: string, ...args: readonly string[]): Loaded {
  const file = join(folder, 'modules');
  rmSync(file, { force: true });
  const env = { ...process.env, NOTE_MODULES: file, XDG_RUNTIME_DIR: folder };
  const { status } = spawnSync(process.execPath, ['--import', NOTE, join(CLI, `${command}.ts`), ...args], {
    env,
    stdio: 'ignore',
    timeout: 60_000,
  });
  const lines = readFileSync(file, 'utf8').split('\n');
  const of = (thread: string): string[] =>
    lines.filter((line) => line.startsWith(thread)).map((line) => line.slice(thread.length).replace(ROOT, ''));
  return { status, main: of('M '), worker: of('W ') };
}

function holdsNone(modules: readonly string[], unwanted: RegExp): void {
  assert.equal(
    modules.filter((name) => unwanted.test(name)),
    [],
  );
}

const test = suite('start');
test.after(() => rmSync(folder, { recursive: true }));

/** The packages that know the width of every script's characters. */
const WIDTHS = /node_modules\/(cliui|string-width|wrap-ansi|strip-ansi|emoji-regex|get-east-asian-width)\//;
/** Importing it sets up standard input, and more. */
const PROCESS = /^node:process$/;

test('a guest without devices of its own loads no device that it has not, no compiler, no other command', () => {
  const { status, main, worker } = loaded('lucid', 'run', '--kernel', GUEST, '--limit', 'insns=1');
  assert.is(status, 4);
  holdsNone(worker, /^devices\/(disk|ata|net\/(?!options)|9p|host|virtio|vga\.|ecam|debug-exit)/);
  holdsNone(worker, /^(vmm\/(exit-log|metrics|live|saved-machine|snapshot-file|disks|nics|shares|video)|probes\/(?!points|structures))/);
  holdsNone(worker, /^(node:(crypto|zlib|net|util|child_process)|.*node_modules\/)/);
  holdsNone(worker, PROCESS);
  holdsNone(main, /^probes\/(d|providers|engine\/(?!thread-messages))\//);
  holdsNone(
    main,
    /^(vmm\/cli\/(expect|image|dlite-trace|exits|diff|screen|nic-|metrics|share-)|vmm\/(exit-log\/(?!messages)|metrics|live)|devices\/net\/(?!options))/,
  );
  holdsNone(main, WIDTHS);
  holdsNone(main, PROCESS);
  // A little more than there are: whoever adds one that every run needs may raise this.
  assert.ok(worker.length <= 90, `${worker.length} modules in the VM's thread`);
  assert.ok(main.length <= 110, `${main.length} modules in the main thread`);
});

test('help loads no VM', () => {
  const { status, main, worker } = loaded('lucid', 'run', '--help');
  assert.is(status, 0);
  assert.equal(worker, []);
  holdsNone(main, WIDTHS);
  holdsNone(main, PROCESS);
  holdsNone(main, /^(vmm\/(machine|vm|worker)\.ts|probes\/d\/)/);
});

test('kstat and kvmstat load neither a VM nor the command line of lucid', () => {
  for (const command of ['kstat', 'kvmstat']) {
    const { main, worker } = loaded(command);
    assert.equal(worker, []);
    holdsNone(main, /^(vmm\/(machine|vm|worker)\.ts|vmm\/cli\/(main|run|session)\.ts|probes\/d\/|.*node_modules\/)/);
    holdsNone(main, PROCESS);
  }
});

test.run();
