/** The runtime directory: whose it must be, numbers that are unique, and what dead processes leave. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  checkRuntimeDirectory,
  claimVm,
  isAlive,
  makeRuntimeDirectory,
  processStart,
  RuntimeDirectoryError,
  runtimeDirectoryPath,
  vmSockets,
} from '../../vmm/runtime-directory.ts';

const MODULE = fileURLToPath(new URL('../../vmm/runtime-directory.ts', import.meta.url));
const top = mkdtempSync(join(tmpdir(), 'lucid-rt-'));
let next = 0;
const fresh = (): string => join(top, String(next++));

/** A pid that no process has: of one that has just ended. */
async function deadPid(): Promise<number> {
  const child = spawn('true');
  await new Promise((resolve) => child.on('exit', resolve));
  return child.pid as number;
}

const test = suite('runtime directory');
test.after(() => rmSync(top, { recursive: true }));

test('XDG_RUNTIME_DIR is used when it is a directory of this user', () => {
  assert.is(runtimeDirectoryPath({ XDG_RUNTIME_DIR: top }), join(top, 'lucid'));
  const own = join(tmpdir(), `lucid-${process.getuid?.()}`);
  for (const other of [undefined, '', 'relative', join(top, 'none'), MODULE]) {
    assert.is(runtimeDirectoryPath({ XDG_RUNTIME_DIR: other }), own);
  }
  if (process.getuid?.() !== 0) assert.is(runtimeDirectoryPath({ XDG_RUNTIME_DIR: '/' }), own);
});

test('it is made with mode 0700, whatever the umask', () => {
  const before = process.umask(0o277);
  try {
    const directory = fresh();
    makeRuntimeDirectory(directory);
    assert.is(lstatSync(directory).mode & 0o777, 0o700);
  } finally {
    process.umask(before);
  }
});

test('a directory that others may enter, a link and a file are refused in one line that names it', () => {
  const open = fresh();
  mkdirSync(open);
  chmodSync(open, 0o755);
  const link = fresh();
  symlinkSync(open, link);
  const file = fresh();
  writeFileSync(file, '');
  const cases: [string, RegExp][] = [
    [open, /has mode 0755, must be 0700/],
    [link, /is not a directory/],
    [file, /is not a directory/],
    [join(file, 'below'), /ENOTDIR/],
    [join(top, 'no', 'such'), /cannot make it \(ENOENT\)/],
  ];
  for (const [directory, message] of cases) {
    let error: unknown;
    try {
      claimVm(directory);
    } catch (thrown) {
      error = thrown;
    }
    assert.instance(error, RuntimeDirectoryError);
    assert.match((error as Error).message, message);
    assert.ok((error as Error).message.startsWith(`${directory}: `));
  }
  assert.is(checkRuntimeDirectory(join(top, 'none')), false);
});

test('a directory of another user is refused', () => {
  if (process.getuid?.() !== 0) {
    assert.throws(() => checkRuntimeDirectory('/'), /belongs to user 0/);
    return;
  }
  const directory = fresh();
  makeRuntimeDirectory(directory);
  chownSync(directory, 1, 1);
  assert.throws(() => claimVm(directory), /belongs to user 1, not to you \(0\); remove it/);
  // Root's environment after `su`: the variable is another user's.
  assert.is.not(runtimeDirectoryPath({ XDG_RUNTIME_DIR: directory }), join(directory, 'lucid'));
});

test('numbers are unique while they are taken, and given back', () => {
  const directory = fresh();
  const a = claimVm(directory);
  const b = claimVm(directory);
  const c = claimVm(directory);
  assert.equal([a.vmid, b.vmid, c.vmid], [1, 2, 3]);
  assert.is.not(a.socket.name, b.socket.name);
  assert.match(a.socket.name, new RegExp(`^${process.pid}\\.\\d+$`));
  b.release();
  b.release();
  assert.is(claimVm(directory).vmid, 4);
  a.release();
  c.release();
  // The number of a VM that lives is never given back by another's end.
  assert.ok(existsSync(directory));
  assert.equal(readdirSync(directory), ['vmid.4']);
});

test('processes that start at once get numbers of their own', async () => {
  const directory = fresh();
  const script = `
    const { claimVm } = await import(${JSON.stringify(MODULE)});
    process.stdout.write(String(claimVm(${JSON.stringify(directory)}).vmid) + '\\n');
    process.stdin.resume();`;
  const children = Array.from({ length: 8 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  const said = await Promise.all(
    children.map((child) => new Promise<number>((resolve) => child.stdout.once('data', (text) => resolve(Number(text))))),
  );
  for (const child of children) child.kill('SIGKILL');
  assert.is(new Set(said).size, 8);
});

test('what the dead left is taken away: numbers, also when the pid is used again, and unfinished sockets', async () => {
  const directory = fresh();
  makeRuntimeDirectory(directory);
  const dead = await deadPid();
  symlinkSync(`${dead}.12345`, join(directory, 'vmid.7'));
  symlinkSync(`${process.pid}.1`, join(directory, 'vmid.8'));
  symlinkSync('nonsense', join(directory, 'vmid.9'));
  writeFileSync(join(directory, `.${dead}.0`), '');
  writeFileSync(join(directory, `.${process.pid}.0`), '');
  writeFileSync(join(directory, 'something else'), '');
  symlinkSync(`${process.pid}.${processStart(process.pid)}`, join(directory, 'vmid.3'));
  assert.is(claimVm(directory).vmid, 4);
  assert.equal(readdirSync(directory).sort(), [`.${process.pid}.0`, 'something else', 'vmid.3', 'vmid.4']);
});

test('a process is told from a later one with its pid', async () => {
  assert.ok(isAlive(process.pid));
  assert.ok(isAlive(process.pid, processStart(process.pid)));
  assert.not(isAlive(process.pid, '1'));
  assert.not(isAlive(await deadPid()));
  assert.ok(isAlive(1), 'also when it belongs to somebody else');
});

test('sockets are found by their names alone', () => {
  const directory = fresh();
  assert.equal(vmSockets(directory), []);
  makeRuntimeDirectory(directory);
  for (const name of ['10.0', '9.1', '9.0', '9', '9.x', '.9.0', 'vmid.1']) writeFileSync(join(directory, name), '');
  assert.equal(
    vmSockets(directory).map((s) => s.name),
    ['9.0', '9.1', '10.0'],
  );
});

test('a path that is too long for a socket is refused', () => {
  const directory = join(top, 'x'.repeat(120));
  assert.throws(() => claimVm(directory), /too long/);
});

test.run();
