/** Guests that are stepped: the same moments as a run without a stop, the same dialogue each time, several at once, and nothing left of them. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, type BootOptions, type Guest, type MarkDescription, MarkMissedError, type Moment } from '../../../vmm/cli/expect/boot.ts';
import { multiboot } from '../../vmm/guests.ts';

const IMAGES = fileURLToPath(new URL('../../../images/', import.meta.url));
const LOGIN: BootOptions = { kernel: join(IMAGES, 'examples/login.elf'), memory: '4M', 'debug-exit': 0xf4, limit: 'time=1' };
const folder = mkdtempSync(join(tmpdir(), 'lucid-live-'));
const test = suite('a guest that is stepped');
test.after(() => rmSync(folder, { recursive: true }));

async function login(guest: Guest): Promise<string | undefined> {
  await guest.until({ serial: 'login: ' });
  guest.type('root\n');
  await guest.until({ serial: '# ' });
  guest.type('a line that is longer than the 16 bytes of the queue\n');
  await guest.until({ serial: '# ' });
  guest.type('halt\n');
  assert.equal(await guest.run(), { kind: 'debug-exit', value: 0 });
  assert.is(guest.console, 'login: \nwelcome, root\n# you said a line that is longer than the 16 bytes of the queue\n# bye\n');
  return guest.report?.exitHash;
}

test('a dialogue on the console is the same in twenty runs, several at once', async () => {
  const warnings: string[] = [];
  const warned = (warning: Error): void => void warnings.push(String(warning));
  process.on('warning', warned);
  const hashes = new Set<string | undefined>();
  for (let round = 0; round < 2; round++) {
    const guests = Array.from({ length: 10 }, async (_, i) => {
      await using guest = await boot({ ...LOGIN, name: `login-${i}` });
      return await login(guest);
    });
    for (const hash of await Promise.all(guests)) hashes.add(hash);
  }
  await using other = await boot({ ...LOGIN, name: 'other' });
  await other.until({ serial: 'login: ' });
  other.type('toor\n');
  await other.run();
  process.off('warning', warned);
  assert.is(hashes.size, 1);
  assert.not.ok(hashes.has(other.report?.exitHash));
  assert.equal(warnings, []);
});

/** A small generator, always from the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return Math.floor((state / 0x8000_0000) * below);
  };
}

/** Marks that a run comes to, or perhaps not: pieces of what it says, and what it writes to ports. */
function someMarks(guest: Guest, pick: (below: number) => number, count: number): MarkDescription[] {
  const text = guest.console;
  const outs = guest.exits({ cause: 'IO_INSTRUCTION', keep: 1e6 }).first.filter(({ direction }) => direction === 'out');
  return Array.from({ length: count }, (): MarkDescription => {
    const from = pick(text.length);
    if (pick(3) > 0 && text.length > 0) return { serial: text.slice(from, from + 1 + pick(6)) };
    const { port = 0, value = '0x0' } = outs[pick(outs.length)] ?? {};
    return pick(2) === 0 ? { port } : { port, value: Number(value) };
  });
}

test('until() comes to the moments that the log of the whole run has, and changes nothing of it', async () => {
  const guests: [string, BootOptions][] = [
    ['builtin', { kernel: join(IMAGES, 'builtin/lucid-guest.elf'), memory: '16M', limit: 'insns=3000000' }],
    ['often', { kernel: join(IMAGES, 'examples/often.elf'), memory: '4M', 'debug-exit': 0xf4, limit: 'time=1' }],
    ['poll', { kernel: join(IMAGES, 'examples/poll.elf'), memory: '4M', 'debug-exit': 0xf4, limit: 'time=1' }],
  ];
  for (const [name, options] of guests) {
    await using whole = await boot(options);
    await whole.run();
    const pick = random(name.length * 77);
    for (let round = 0; round < 3; round++) {
      const marks = someMarks(whole, pick, 4);
      await using stepped = await boot(options);
      let at: Moment | undefined;
      for (const mark of marks) {
        const expected = whole.find(mark, at);
        const came = await stepped.until(mark).catch((error: unknown) => {
          if (error instanceof MarkMissedError) return undefined;
          throw error;
        });
        assert.equal(came, expected, `${name}: ${JSON.stringify(marks)}: ${JSON.stringify(mark)}`);
        at = came;
        if (stepped.outcome !== undefined) break;
        if (came !== undefined) assert.is(stepped.now.instructions, came.instructions + 1);
      }
      if (stepped.outcome === undefined) await stepped.run();
      assert.equal([stepped.outcome, stepped.report?.exitHash], [whole.outcome, whole.report?.exitHash]);
      assert.equal(stepped.exits({ keep: 1e6 }), whole.exits({ keep: 1e6 }));
    }
  }
});

const dword = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];
const put = (at: number, value: number): number[] => [0xc7, 0x05, ...dword(at), ...dword(value)];
/** Of the second processor, at 8000h: reads port 71h a thousand times, writes to port 80h, and goes on counting. */
const SECOND = [
  ...[0x31, 0xc0, 0x8e, 0xd8, 0xb9, 0xe8, 0x03, 0xf0, 0xff, 0x06, 0x00, 0x05, 0xe4, 0x71, 0xe2, 0xf7],
  ...[0xb0, 7, 0xe6, 0x80, 0xf0, 0xff, 0x06, 0x00, 0x05, 0xeb, 0xf9, 0x90],
];
/** The first one starts it (INIT, start-up IPI), reads port 71h many times, and ends. */
const FIRST = [
  ...Array.from({ length: SECOND.length / 4 }, (_, i) =>
    put(
      0x8000 + 4 * i,
      SECOND.slice(4 * i, 4 * i + 4).reduce((word, byte, n) => word + byte * 2 ** (8 * n), 0),
    ),
  ).flat(),
  ...put(0xfee0_0310, 0x100_0000),
  ...put(0xfee0_0300, 0x4500),
  ...put(0xfee0_0300, 0x4608),
  ...[0xb9, ...dword(40_000), 0xe4, 0x71, 0xe2, 0xfc],
  ...[0xa0, ...dword(0x500), 0xe6, 0xf4],
];

test('a guest with two processors is saved at a mark in the middle of a turn, and goes on as if it had not been', async () => {
  const kernel = join(folder, 'two.elf');
  writeFileSync(kernel, multiboot(FIRST));
  await using guest = await boot({ kernel, cpus: 2, memory: '4M', 'debug-exit': 0xf4, limit: 'time=1' });
  const mark = await guest.until({ port: 0x80, value: 7 });
  const saved = join(folder, 'two.snapshot');
  await guest.snapshot(saved);
  const outcome = await guest.run();
  await using rest = await boot({ restore: saved, limit: 'time=1' });
  assert.is(outcome.kind, 'debug-exit');
  assert.equal(await rest.run(), outcome);
  const all = { by: 'rip', keep: 1e6 } as const;
  assert.equal(rest.exits(all), guest.exits({ ...all, from: mark }));
  assert.is(rest.report?.instructions, guest.report?.instructions);
});

test('buttons are pressed and limits kept where the guest stands; a guest that was stopped can still be asked', async () => {
  await using guest = await boot(LOGIN);
  await guest.until({ serial: 'login: ' });
  assert.is(await guest.press('power'), false);
  const stands = guest.now;
  assert.equal(await guest.run({ limit: 'insns=1000' }), { kind: 'limit', which: 'insns' });
  assert.is(guest.now.instructions, stands.instructions + 1000);
  assert.equal(await guest.run({ limit: 'time=0.001' }), { kind: 'limit', which: 'time' });
  assert.ok(guest.now.timeNs >= stands.timeNs + 1_000_000);
  assert.is(guest.outcome, undefined);
  const { instructions } = guest.now;
  await guest.stop();
  assert.equal(guest.outcome, { kind: 'stopped' });
  assert.is(guest.report?.instructions, instructions);
  assert.is(guest.console, 'login: ');
  assert.throws(() => guest.type('x'), /type: the guest has ended/);
});

const PRELUDE = `import { boot } from ${JSON.stringify(new URL('../../../vmm/cli/expect/boot.ts', import.meta.url).href)};
const options = ${JSON.stringify(LOGIN)};\n`;

/** Runs a script; its status, what it wrote, and what is left in its directory for temporary files. */
function scripted(script: string): Promise<{ status: number | null; out: string; left: string[] }> {
  const home = mkdtempSync(join(folder, 'script-'));
  writeFileSync(join(home, 's.ts'), PRELUDE + script);
  const own = join(home, 'tmp');
  mkdtempSync(own);
  const child = spawn(process.execPath, [join(home, 's.ts')], {
    env: { ...process.env, TMPDIR: home, XDG_RUNTIME_DIR: home, NODE_NO_WARNINGS: '1' },
  });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (out += bytes));
  return new Promise((done) =>
    child.on('close', (status) =>
      done({
        status,
        out,
        left: readdirSync(home, { recursive: true })
          .map(String)
          .filter((name) => /exits|sock|\.\d+$/.test(name)),
      }),
    ),
  );
}

test('a process with a guest that nobody closed ends, and nothing is left of it', async () => {
  const forgotten = `const guest = await boot(options);
await guest.trace('kvm-pio { @[arg0] = count(); }');
await guest.until({ serial: 'login: ' });
console.log('over');\n`;
  assert.equal(await scripted(forgotten), { status: 0, out: 'over\n', left: [] });
  const thrown = await scripted(`${forgotten}throw new Error('in between');\n`);
  assert.equal([thrown.status, thrown.left], [1, []]);
  assert.match(thrown.out, /in between/);
});

test('a guest that never comes to a mark does not outlive its limits, nor the one who closes it while it runs', async () => {
  await using endless = await boot({ ...LOGIN, limit: 'wall=600' });
  await endless.until({ serial: 'login: ' });
  const missed = endless.until({ serial: 'never' }).then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.throws(() => endless.exits(), /exits: the guest is running/);
  await endless.close();
  assert.instance(await missed, MarkMissedError);
  assert.throws(() => endless.console, /console: the guest was closed/);
});

test('as many guests as one likes leave no open file behind', async () => {
  const open = (): number => readdirSync('/proc/self/fd').length;
  let before = 0;
  for (let i = 0; i < 4; i++) {
    {
      await using guest = await boot(LOGIN);
      await guest.until({ serial: 'login: ' });
    }
    // While it runs it has a socket, but not from the first moment on.
    if (i === 1) before = open();
    if (i > 1) assert.is(open(), before);
  }
});

test.run();
