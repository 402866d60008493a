/** `dlite` as a command: what it prints, its messages to the byte of dtrace's with its own name, and its exit status. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const DLITE = fileURLToPath(new URL('../../vmm/cli/dlite.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lucid-dl-'));
// No VMs but those of this test.
const env = { ...process.env, XDG_RUNTIME_DIR: folder };

interface Result {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function dlite(...args: readonly string[]): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [DLITE, ...args], { encoding: 'utf8', env, timeout: 30_000, cwd: folder });
  return { status, out: stdout, err: stderr };
}

function file(name: string, text: string | Uint8Array): string {
  writeFileSync(join(folder, name), text);
  return name;
}

const test = suite('dlite');
test.after(() => rmSync(folder, { recursive: true }));

test('without a VM: BEGIN fires, the matched probes are told, the row is printed, exit() gives the status', () => {
  const { status, out, err } = dlite('-n', 'BEGIN { trace("hi"); exit(3); }');
  assert.is(status, 3);
  assert.is(err, "dlite: description 'BEGIN ' matched 1 probe\n");
  const row = `${'0'.padStart(3)} ${'1'.padStart(6)} ${':BEGIN'.padStart(32)} `;
  assert.is(out, `CPU     ID                    FUNCTION:NAME\n${row}  ${'hi'.padEnd(33)}\n\n`);
});

test('-q says nothing but what the program says; so does #pragma D option quiet', () => {
  assert.equal(dlite('-qn', 'BEGIN { printf("hi\\n"); exit(0); }'), { status: 0, out: 'hi\n\n', err: '' });
  const script = file('quiet.d', '#pragma D option quiet\nBEGIN { printf("%s %d\\n", $$1, $2); exit(0); }');
  assert.equal(dlite('-s', script, 'word', '7'), { status: 0, out: 'word 7\n\n', err: '' });
});

test('a script and descriptions together, each told by its name', () => {
  const script = file('two.d', 'BEGIN { @ = count(); }\nEND { @ = count(); }');
  const { err, out } = dlite('-s', script, '-n', 'dtrace:::BEGIN/1/{ exit(0); }', '-P', 'dtrace');
  assert.is(
    err,
    "dlite: script 'two.d' matched 2 probes\ndlite: description 'dtrace:::BEGIN' matched 1 probe\ndlite: description 'dtrace' matched 3 probes\n",
  );
  assert.match(out, /\n\n {16,}2\n$/);
});

test('aggregations are printed at the end, unless a printa() has', () => {
  assert.is(dlite('-qn', 'BEGIN { @a["x"] = sum(7); exit(0); }').out, `\n  ${'x'.padEnd(50)}                7\n`);
  assert.is(dlite('-qn', 'BEGIN { @a["x"] = sum(7); printa("%s=%@d\\n", @a); exit(0); }').out, 'x=7\n\n');
});

test('-o appends', () => {
  for (let i = 1; i <= 2; i++) assert.is(dlite('-o', 'out.txt', '-qn', `BEGIN { printf("${i}\\n"); exit(0); }`).status, 0);
  assert.is(readFileSync(join(folder, 'out.txt'), 'utf8'), '1\n\n2\n\n');
});

test('tick and profile fire on the clock of the host', () => {
  const start = performance.now();
  const { out } = dlite('-qn', 'tick-20ms { n++; } profile-50hz { m++; } tick-100ms { printf("%d %d\\n", n > 3, m > 3); exit(0); }');
  assert.is(out, '1 1\n\n');
  assert.ok(performance.now() - start > 100);
});

test('-l lists every probe; with a specifier those that it stands for; with one that matches nothing it says so', () => {
  const all = dlite('-l');
  const lines = all.out.trimEnd().split('\n');
  assert.is(lines[0], '   ID   PROVIDER            MODULE                          FUNCTION NAME');
  assert.is(lines[1], `    1     dtrace${' '.repeat(52)} BEGIN`);
  assert.ok(lines.length > 30);
  const one = dlite('-ln', 'kvm-inj-virq');
  assert.match(one.out, /^ +ID .*\n +\d+ {8}sdt {15}kvm {20}vmx_inject_irq kvm-inj-virq\n$/);
  assert.is(dlite('-li', '2').out.split('\n')[1], `    2     dtrace${' '.repeat(52)} END`);
  const none = dlite('-lP', 'nonesuch');
  assert.is(none.out, `${lines[0]}\n`);
  assert.is(none.err, 'dlite: failed to match nonesuch:::: No probe matches description\n');
  assert.is(none.status, 0);
});

test('-lv adds attributes and the types of arguments', () => {
  const { out } = dlite('-lvn', 'kvm-inj-virq');
  assert.match(
    out,
    /kvm-inj-virq\n\n\tProbe Description Attributes\n\t\tIdentifier Names: \w+\n\t\tData Semantics: {3}\w+\n\t\tDependency Class: \w+\n/,
  );
  assert.match(out, /\n\tArgument Attributes\n(\t\t.*\n){3}\n\tArgument Types\n\t\targs\[0\]: \w+\n\n$/);
  assert.match(dlite('-lvn', 'BEGIN').out, /\tArgument Types\n\t\tNone\n\n$/);
});

test('-e compiles and enables nothing; with -v it tells how stable the program is', () => {
  assert.equal(dlite('-en', 'BEGIN { printf("no"); }'), { status: 0, out: '', err: '' });
  assert.is(dlite('-en', 'BEGIN { nonsense; }').status, 1);
  const { out } = dlite('-evn', 'BEGIN');
  assert.match(out, /^\nStability attributes for description BEGIN:\n\n\tMinimum Probe Description Attributes\n/);
  assert.match(out, /\n\tMinimum Statement Attributes\n/);
  assert.match(dlite('-vqn', 'BEGIN { exit(0); }').out, /^\nStability attributes for description BEGIN :\n[\s\S]*\n\n\n$/);
});

test('errors are those of dtrace, under this name; exit status 1', () => {
  const binary = file(
    'binary.d',
    Uint8Array.from({ length: 512 }, (_, i) => (i * 7) & 0xff),
  );
  const broken = file('broken.d', 'BEGIN\n{\n\ttrace(nosuch);\n}\n');
  mkdirSync(join(folder, 'dir.d'), { recursive: true });
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [
      ['-n', 'BEGIN { trace(nosuch); }'],
      /^dlite: invalid probe specifier BEGIN \{ trace\(nosuch\); \}: in action list: failed to resolve nosuch: /,
    ],
    [['-s', broken], /^dlite: failed to compile script broken\.d: line 3: failed to resolve nosuch: /],
    [['-xerrtags', '-s', broken], /^dlite: failed to compile script broken\.d: \[D_IDENT_UNDEF\] line 3: /],
    [['-n', 'nosuchprobe'], /^dlite: invalid probe specifier nosuchprobe: probe description :::nosuchprobe does not match any probes\n$/],
    [['-s', 'none.d'], /^dlite: failed to open none\.d: No such file or directory\n$/],
    [['-s', 'dir.d'], /^dlite: failed to open dir\.d: Is a directory\n$/],
    [['-s', binary], /^dlite: failed to compile script binary\.d: line 1: /],
    [['-x', 'nosuch', '-n', 'BEGIN'], /^dlite: failed to set -x nosuch: Invalid option name\n$/],
    [['-x', 'bufsize=many', '-n', 'BEGIN'], /^dlite: failed to set -x bufsize: Invalid value for specified option\n$/],
    [['-b', '1q', '-n', 'BEGIN'], /^dlite: failed to set -b 1q: Invalid value/],
    [['-q'], /^dlite: no probes specified\n$/],
    [['-o', 'no/such/file', '-n', 'BEGIN{exit(0)}'], /dlite: failed to open output file 'no\/such\/file': No such file or directory\n$/],
    [['-p', 'x', '-n', 'BEGIN'], /^dlite: invalid pid: x\n$/],
    [['-p', '99999999', '-n', 'BEGIN'], /^dlite: failed to grab pid 99999999: no such process\n$/],
    [['-p', String(process.pid), '-n', 'BEGIN'], /^dlite: failed to grab pid \d+: not a VM of this user\n$/],
    [['-c', '/no/such', '-n', 'BEGIN'], /^dlite: failed to execute \/no\/such: No such file or directory\n$/],
    [['-qn', 'BEGIN { system("true"); }'], /^dlite: could not enable tracing: Destructive actions not allowed\n$/],
    [
      ['-n', 'BEGIN { system("true"); }'],
      /^dlite: description 'BEGIN ' matched 1 probe\ndlite: could not enable tracing: Destructive actions not allowed\n$/,
    ],
  ];
  for (const [args, message] of cases) {
    const { status, err, out } = dlite(...args);
    assert.match(err, message, args.join(' '));
    assert.is(status, 1, args.join(' '));
    assert.is(out, '', args.join(' '));
  }
});

test('a bad command line is status 2 with the usage; help and version are asked for', () => {
  const bad = dlite('-J');
  assert.is(bad.status, 2);
  assert.match(bad.err, /^dlite: illegal option -- J\nUsage: dlite /);
  assert.is(dlite().status, 2);
  assert.match(dlite('--help').out, /Usage: dlite[\s\S]*Examples:/);
  assert.match(dlite('-V').out, /^dlite: Lucid D \d+\.\d+\n$/);
});

test('-Z permits what matches nothing; -w is told', () => {
  assert.equal(dlite('-Zqn', 'nosuch:::', '-n', 'BEGIN{exit(0)}'), { status: 0, out: '\n', err: '' });
  const { err, out } = dlite('-wn', 'BEGIN { system("echo one"); system("echo two"); exit(0); }', '-xquiet=no');
  assert.match(err, /dlite: allowing destructive actions\n/);
  assert.match(out, /one\n[\s\S]*two\n/);
});

test('-C preprocesses, with -D, -U and -I', () => {
  mkdirSync(join(folder, 'include'), { recursive: true });
  file('include/limit.h', '#define LIMIT 40\n');
  const script = file('cpp.d', '#include "limit.h"\nBEGIN { printf("%d\\n", LIMIT + MORE); exit(0); }\n');
  assert.equal(dlite('-qC', '-I', 'include', '-D', 'MORE=2', '-s', script), { status: 0, out: '42\n\n', err: '' });
  assert.is(dlite('-qC', '-I', 'include', '-D', 'MORE=2', '-U', 'MORE', '-s', script).status, 1);
});

test('-L: a library of definitions', () => {
  mkdirSync(join(folder, 'lib'), { recursive: true });
  file('lib/mine.d', 'inline int answer = 42;\n');
  assert.equal(dlite('-L', 'lib', '-qn', 'BEGIN { printf("%d\\n", answer); exit(0); }'), { status: 0, out: '42\n\n', err: '' });
});

test('run-time faults are told on standard error, and tracing goes on', () => {
  const { status, err, out } = dlite('-qn', 'BEGIN { trace(*(int *)0); }', '-n', 'BEGIN { printf("on\\n"); exit(0); }');
  assert.match(
    err,
    /^dlite: error on enabled probe ID 1 \(ID 1: dtrace:::BEGIN\): invalid address \(0x0\) in action #1 at DIF offset \d+\n$/,
  );
  assert.is(out, 'on\n\n');
  assert.is(status, 0);
});

test('--json: one object a line', () => {
  const { out } = dlite('--json', '-qn', 'BEGIN { trace(7); @a["x"] = count(); exit(0); }');
  const objects = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.ok(objects.length >= 2, out);
});

test('-c: a command runs while it is traced, with its number as $target; its end ends the tracing', () => {
  const { status, out, err } = dlite(
    '-c',
    'sh -c "echo $$ > pid.txt"',
    '-qn',
    'BEGIN { printf("%d\\n", $target); }',
    '-n',
    'END { printf("end\\n"); }',
  );
  assert.is(status, 0, err);
  assert.is(out, `${readFileSync(join(folder, 'pid.txt'), 'utf8')}end\n\n`);
  assert.match(dlite('-c', 'false', '-n', 'BEGIN').err, /\ndlite: pid \d+ exited with status 1\n$/);
});

/** Starts it, waits for a line of output, and goes on with `act`. */
function interactive(args: readonly string[], act: (kill: (signal: NodeJS.Signals) => void) => void): Promise<Result> {
  const child = spawn(process.execPath, [DLITE, ...args], { env, cwd: folder });
  let out = '';
  let err = '';
  let acted = false;
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
    if (!acted && out.includes('\n')) {
      acted = true;
      act((signal) => child.kill(signal));
    }
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString();
  });
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, out, err })));
}

const READY = 'BEGIN { printf("ready\\n"); @ = count(); } END { printf("end\\n"); }';

test('Ctrl-C: END fires, what was aggregated is printed; so does SIGTERM', async () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const { status, out } = await interactive(['-xswitchrate=10ms', '-qn', READY], (kill) => kill(signal));
    assert.is(out, 'ready\n\nend\n\n                1\n', signal);
    assert.is(status, 0);
  }
});

test('whoever reads may go away', async () => {
  const child = spawn(
    'sh',
    ['-c', `"$0" "$1" -qn 'tick-1ms { printf("line\\n"); }' -xswitchrate=10ms | head -n 1`, process.execPath, DLITE],
    { env },
  );
  let out = '';
  let err = '';
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString();
  });
  await new Promise((resolve) => child.on('close', resolve));
  assert.is(out, 'line\n');
  assert.is(err, '');
});

test('a directory of sockets that others may write to is not used', () => {
  const open = mkdtempSync(join(tmpdir(), 'lucid-dl-open-'));
  mkdirSync(join(open, 'lucid'), { mode: 0o777 });
  spawnSync('chmod', ['777', join(open, 'lucid')]);
  const { status, stderr } = spawnSync(process.execPath, [DLITE, '-n', 'BEGIN{exit(0)}'], {
    encoding: 'utf8',
    env: { ...env, XDG_RUNTIME_DIR: open },
  });
  assert.is(status, 1);
  assert.match(stderr, /^dlite: .*lucid: has mode 0777, must be 0700; chmod 700 it\n$/);
  rmSync(open, { recursive: true });
});

test('a socket of a VM that is dead is nobody', () => {
  mkdirSync(join(folder, 'lucid'), { mode: 0o700, recursive: true });
  file('lucid/99999999.0', '');
  assert.equal(dlite('-qn', 'BEGIN { printf("host\\n"); exit(0); }'), { status: 0, out: 'host\n\n', err: '' });
  assert.not(existsSync(join(folder, 'lucid', '99999999.0')));
  assert.equal(readdirSync(join(folder, 'lucid')), []);
});

test('a script that is a command: #!/usr/bin/env -S dlite -s', () => {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'dlite'), `#!/bin/sh\nexec ${process.execPath} ${DLITE} "$@"\n`, { mode: 0o755 });
  const script = join(folder, 'command.d');
  writeFileSync(script, '#!/usr/bin/env -S dlite -s\n#pragma D option quiet\nBEGIN { printf("%s %s\\n", $$0, $$1); exit(0); }\n', {
    mode: 0o755,
  });
  const { stdout, stderr } = spawnSync(script, ['arg'], { encoding: 'utf8', env: { ...env, PATH: `${bin}:${process.env['PATH']}` } });
  assert.is(stderr, '');
  assert.is(stdout, `${script} arg\n\n`);
});

test.run();
