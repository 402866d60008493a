/** `dlite` over running VMs: one, several, that come and go, that are traced from the first instruction on, that are stopped and die. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CONSUMERS } from '../../probes/arena.ts';
import { Conductor } from '../../probes/session/conductor.ts';
import { type RemoteProgram, traceRemote } from '../../probes/session/remote.ts';
import { NOTHING } from '../../vmm/cli/dlite-options.ts';
import { traceRequest } from '../../vmm/cli/trace-request.ts';
import { isAlive, type VmSocketPlace, vmSockets } from '../../vmm/runtime-directory.ts';
import { connectVm } from '../../vmm/vm-socket-client.ts';
import { multiboot } from '../vmm/guests.ts';

const DLITE = fileURLToPath(new URL('../../vmm/cli/dlite.ts', import.meta.url));
const LUCID = fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url));
const BUILTIN = fileURLToPath(new URL('../../images/builtin/lucid-guest.elf', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lucid-dv-'));
const env = { ...process.env, XDG_RUNTIME_DIR: folder };

/** out 0x80, al, for ever. */
const SPIN = [0xe6, 0x80, 0xeb, 0xfc];
/** Some millions of out 0x80, al, then the debug exit. */
const counted = (n: number): number[] => [
  0xbe,
  ...new Uint8Array(Uint32Array.of(n).buffer),
  0xe6,
  0x80,
  0x4e,
  0x75,
  0xfb,
  0xb0,
  3,
  0xe6,
  0xf4,
  0xeb,
  0xfe,
];

function kernel(name: string, code: readonly number[]): string {
  const path = join(folder, name);
  writeFileSync(path, multiboot(code));
  return path;
}

interface Result {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves at its end. */
  readonly ended: Promise<Result>;
  /** What it has written so far. */
  out(): string;
  err(): string;
}

const children = new Set<ChildProcess>();

function start(command: string, args: readonly string[]): Running {
  const child = spawn(process.execPath, [command, ...args], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString();
  });
  const ended = new Promise<Result>((resolve) => child.on('close', (status) => resolve({ status, out, err })));
  return { child, pid: child.pid as number, ended, out: () => out, err: () => err };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  // Long enough for the busiest machine: only what never happens fails.
  for (let i = 0; i < 12_000 && !condition(); i++) await setTimeout(10);
  assert.ok(condition(), what);
}

/** A VM that others can see. */
async function vm(...args: readonly string[]): Promise<Running> {
  const running = start(LUCID, ['run', '--serial', 'null', '--no-exits', '--memory', '16M', ...args]);
  await until(() => vmSockets(join(folder, 'lucid')).some(({ pid }) => pid === running.pid), 'the VM is there');
  return running;
}

async function end(...running: readonly Running[]): Promise<void> {
  for (const { child } of running) child.kill('SIGTERM');
  await Promise.all(running.map(({ ended }) => ended));
}

function dlite(...args: readonly string[]): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [DLITE, ...args], { encoding: 'utf8', env, timeout: 30_000, cwd: folder });
  return { status, out: stdout, err: stderr };
}

function lucid(...args: readonly string[]): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [LUCID, ...args], { encoding: 'utf8', env, timeout: 30_000, cwd: folder });
  return { status, out: stdout, err: stderr };
}

const spin = kernel('spin.elf', SPIN);

const test = suite('dlite over VMs');
test.after.each(() => {
  for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  children.clear();
});
test.after(() => rmSync(folder, { recursive: true }));

test('a VM that runs is traced, by its number and without; pid and execname are its own', async () => {
  const box = await vm('--kernel', spin, '--name', 'box');
  const program = 'BEGIN { printf("%d %s %s %d\\n", pid, execname, vmname, vmid); } kvm-pio { @[arg1] = count(); } tick-10ms { exit(5); }';
  for (const which of [['-p', String(box.pid)], []]) {
    const { status, out, err } = dlite(...which, '-qn', program);
    assert.match(out, new RegExp(`^${box.pid} box box 1\n\n +128 +\\d+\n$`));
    assert.is(status, 5);
    assert.is(err, '');
  }
  await end(box);
});

test('the guest does the same with tracers that come and go as without', async () => {
  const image = kernel('counted.elf', counted(20_000_000));
  const options = ['run', '--kernel', image, '--memory', '16M', '--serial', 'null', '--debug-exit', '0xf4', '--json', '--no-exits'];
  const alone = JSON.parse(lucid(...options).out) as { exitHash: string; instructions: number };
  const traced = start(LUCID, options);
  await until(() => vmSockets(join(folder, 'lucid')).some(({ pid }) => pid === traced.pid), 'the VM is there');
  let firings = 0;
  while (isAlive(traced.pid) && firings < 2) {
    const { out, status } = dlite('-qn', 'kvm-pio { printf("%d %x\\n", timestamp, arg1); } tick-1ms { exit(0); }');
    if (status === 0 && /^\d+ 80$/m.test(out)) firings++;
    else if (firings > 0) break;
  }
  const { exitHash, instructions } = JSON.parse((await traced.ended).out) as typeof alone;
  assert.ok(firings > 0, 'it was traced');
  assert.equal({ exitHash, instructions }, { exitHash: alone.exitHash, instructions: alone.instructions });
});

test('several VMs: BEGIN and END once, aggregations of all together, one that starts later with them', async () => {
  const first = await vm('--kernel', spin, '--name', 'a');
  const second = await vm('--kernel', spin, '--name', 'b');
  const program =
    'BEGIN { printf("begin\\n"); } kvm-pio /execname == "c" && !seen/ { seen = 1; printf("c too\\n"); } kvm-pio { @[execname] = count(); @total = count(); } END { printf("end\\n"); }';
  const tracer = start(DLITE, ['-xswitchrate=10ms', '-qn', program]);
  await until(() => tracer.out() === 'begin\n', 'it has begun');
  const third = await vm('--kernel', spin, '--name', 'c');
  await until(() => tracer.out() === 'begin\nc too\n', 'it traces the one that came later');
  tracer.child.kill('SIGINT');
  const { out, status, err } = await tracer.ended;
  assert.is(err, '');
  assert.is(status, 0);
  const match = /^begin\nc too\n\nend\n\n( {2}[abc] {50}[ \d]{16}\n){3} +(\d+)\n$/.exec(out);
  assert.ok(match !== null, out);
  const counts = [...out.matchAll(/^ {2}([abc]) +(\d+)$/gm)];
  assert.equal(counts.map(([, name]) => name).sort(), ['a', 'b', 'c']);
  assert.is(
    counts.reduce((sum, [, , count]) => sum + Number(count), 0),
    Number(match[2]),
  );
  await end(first, second, third);
});

test('-c: a VM from its first instruction to its end; nothing is lost', () => {
  const { status, out, err } = dlite(
    '-c',
    `lucid run --kernel ${BUILTIN} --serial null --json --no-exits -o own.txt -qn 'kvm-vexit { @ = count(); }'`,
    '-b',
    '4k',
    '-o',
    'trace.txt',
    '-n',
    'kvm-vexit { printf("%d\\n", arg1); } END { printf("end\\n"); }',
    '-q',
  );
  assert.is(status, 0, err);
  const { exitsTotal } = JSON.parse(out) as { exitsTotal: number };
  const lines = readFileSync(join(folder, 'trace.txt'), 'utf8').trimEnd().split('\n');
  assert.is(lines.length, exitsTotal + 1);
  assert.is(lines.at(-1), 'end');
  assert.is(readFileSync(join(folder, 'own.txt'), 'utf8').trim(), String(exitsTotal));
});

test('-c: exit() in D ends the command; one that cannot start is told', () => {
  const begin = performance.now();
  const { status } = dlite('-c', `lucid run --kernel ${spin} --serial null`, '-qn', 'kvm-pio { exit(9); }');
  assert.is(status, 9);
  assert.ok(performance.now() - begin < 10_000);
  const bad = dlite('-c', 'lucid run --kernel none.elf', '-n', 'BEGIN');
  assert.is(bad.status, 1);
  assert.match(bad.err, /^lucid: --kernel none\.elf: there is no such file\ndlite: pid \d+ exited with status 2\n$/);
});

test('a guest that ends while it is traced: END fires there, results are printed, and of -p that it has exited', async () => {
  const image = kernel('short.elf', counted(12_000_000));
  const short = await vm('--kernel', image, '--debug-exit', '0xf4', '--name', 'short');
  const { status, out, err } = dlite('-p', String(short.pid), '-n', 'kvm-pio { @ = count(); } END { printf("end"); }', '-q');
  assert.is(status, 0);
  assert.match(out, /^end\n +\d+\n$/);
  assert.is(err, '');
  await short.ended;
});

test('a VM that is killed: what was last heard of it is printed', async () => {
  const box = await vm('--kernel', spin, '--name', 'box');
  const tracer = start(DLITE, ['-xaggrate=20ms', '-xswitchrate=10ms', '-qn', 'BEGIN { printf("ready\\n"); } kvm-pio { @ = count(); }']);
  await until(() => tracer.out() !== '', 'it has begun');
  await setTimeout(200);
  box.child.kill('SIGKILL');
  const { status, out, err } = await tracer.ended;
  assert.is(status, 0);
  assert.match(out, /^ready\n\n\n? +\d+\n$/);
  assert.match(err, new RegExp(`^dlite: lost sight of box \\(pid ${box.pid}\\): `));
});

test('a tracer that is killed takes its probes with it within a second; the VM runs on', async () => {
  const box = await vm('--kernel', spin, '--name', 'box');
  const tracer = start(DLITE, ['-xswitchrate=10ms', '-qn', 'BEGIN { printf("ready\\n"); } kvm-pio { @ = count(); }']);
  await until(() => tracer.out() !== '', 'it has begun');
  // As many as fit beside it: the next one is refused until one has gone.
  const request = traceRequest(
    { ...NOTHING, specifiers: [{ form: 'name', text: 'kvm-pio { @ = count(); }' }] },
    { command: 'test', wait: false },
  );
  const attach = async (): Promise<RemoteProgram> => {
    const place = vmSockets(join(folder, 'lucid')).find(({ pid }) => pid === box.pid);
    return traceRemote(await connectVm(place as VmSocketPlace), request, new Conductor(1).voice(0), () => {});
  };
  const others: RemoteProgram[] = [];
  for (let i = 1; i < CONSUMERS; i++) others.push(await attach());
  const refused = dlite('-qn', 'BEGIN { exit(0); }');
  assert.is(refused.status, 1);
  assert.match(refused.err, /^dlite: could not enable tracing: 8 programs are enabled already/);
  tracer.child.kill('SIGKILL');
  await tracer.ended;
  const killed = performance.now();
  while (others.length < CONSUMERS) {
    try {
      others.push(await attach());
    } catch (error) {
      if (performance.now() - killed > 1000) throw error;
      await setTimeout(20);
    }
  }
  for (const program of others) program.close();
  await end(box);
});

test('stop() makes the VM stand still and says how it goes on; lucid resume lets it', async () => {
  const box = await vm('--kernel', spin, '--name', 'box');
  const tracer = start(DLITE, ['-wqn', 'kvm-pio /!done/ { done = 1; printf("stopping\\n"); stop(); }', '-xswitchrate=10ms']);
  await until(() => tracer.err().includes('resume'), 'it says so');
  assert.is(tracer.err(), `dlite: box (pid ${box.pid}) is paused by stop(); 'lucid resume ${box.pid}' lets it go on\n`);
  const instructions = (): string => lucid('ps').out;
  const before = instructions();
  await setTimeout(100);
  assert.is(instructions(), before, 'it stands still');
  assert.equal(lucid('resume', 'box'), { status: 0, out: '', err: '' });
  await setTimeout(100);
  assert.is.not(instructions(), before, 'it goes on');
  assert.match(lucid('resume', String(box.pid)).err, /^lucid: box \(pid \d+\) is not paused\n$/);
  assert.equal(lucid('pause', 'box').status, 0);
  tracer.child.kill('SIGINT');
  assert.is((await tracer.ended).status, 0, 'a tracer comes and goes while the VM stands');
  await end(box);
});

test('breakpoint() shows where the VM is', async () => {
  const box = await vm('--kernel', spin, '--name', 'box');
  const tracer = start(DLITE, ['-wqn', 'kvm-pio /!done/ { done = 1; breakpoint(); }']);
  await until(() => tracer.err().includes('->'), 'the monitor shows the instruction');
  assert.match(tracer.err(), /is paused by breakpoint\(\)[\s\S]*\nrax [0-9a-f]{16} [\s\S]*\nrip [0-9a-f]{16} [\s\S]*-> 0010000[ce] /);
  assert.is(lucid('resume', 'box').status, 0);
  tracer.child.kill('SIGINT');
  await tracer.ended;
  await end(box);
});

test('a VM whose process is stopped is not waited for', async () => {
  const box = await vm('--kernel', spin, '--name', 'box');
  box.child.kill('SIGSTOP');
  const named = dlite('-p', String(box.pid), '-qn', 'BEGIN { exit(0); }');
  assert.is(named.status, 1);
  assert.match(named.err, /does not answer\n$/);
  const all = dlite('-qn', 'BEGIN { printf("host\\n"); exit(0); }');
  assert.is(all.out, 'host\n\n');
  assert.match(all.err, /does not answer\n$/);
  box.child.kill('SIGKILL');
  await box.ended;
});

test.run();
