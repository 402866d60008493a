/** `lucid run --events` and `lucid events`, as a person uses them. */
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ExitEvent } from '../../vmm/exit-log/describe.ts';
import { multiboot } from '../vmm/guests.ts';
import { type Finished, finished, runtimePlace, start } from './stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-events-'));
const test = suite('lucid events');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

const lucid = (...args: string[]): Promise<Finished> => finished(start('lucid', args, place.xdg));
const at = (name: string): string => join(folder, name);

// mov ecx,100; l: in al,71h; loop l; mov al,1; out f4h,al
writeFileSync(at('guest.elf'), multiboot([0xb9, 100, 0, 0, 0, 0xe4, 0x71, 0xe2, 0xfc, 0xb0, 1, 0xe6, 0xf4]));
// The same 20,000 times; and for ever.
writeFileSync(at('long.elf'), multiboot([0xb9, 0x20, 0x4e, 0, 0, 0xe4, 0x71, 0xe2, 0xfc, 0xb0, 1, 0xe6, 0xf4]));
writeFileSync(at('forever.elf'), multiboot([0xe4, 0x71, 0xeb, 0xfc]));
const RUN = ['run', '--kernel', at('guest.elf'), '--debug-exit', '0xf4', '--serial', 'null', '--json', '--no-exits'];

test('every exit of a run is in its log, in both formats', async () => {
  const binary = await lucid(...RUN, '--events', at('log'));
  const json = await lucid(...RUN, '--events', `${at('log2')},format=json`);
  assert.is(binary.status, 3, binary.err);
  assert.is(json.status, 3, json.err);
  const { exitsTotal } = JSON.parse(binary.out) as { exitsTotal: number };
  const report = await lucid('events', at('log'), '--json');
  const { records, complete, exits } = JSON.parse(report.out) as {
    records: number;
    complete: boolean;
    exits: { key: string; count: number }[];
  };
  assert.equal([records, complete], [exitsTotal, true]);
  assert.is(exits.find(({ key }) => key === 'IO_INSTRUCTION')?.count, 101);
  const printed = await lucid('events', at('log'), '--print', 'json');
  const lines = readFileSync(at('log2'), 'utf8').trimEnd().split('\n');
  assert.equal(printed.out.trimEnd().split('\n'), lines.slice(1, -1));
  assert.is((JSON.parse(lines.at(-1) as string) as { end: { records: number } }).end.records, exitsTotal);
});

test('watched addresses are in the log, in both formats, and stay in what is printed of it unless exits are chosen', async () => {
  // The LOOP, which does not exit.
  await lucid(...RUN, '--events', `${at('log')},watch=0x100013`);
  await lucid(...RUN, '--events', `${at('log2')},watch=0x100013,format=json`);
  const printed = await lucid('events', at('log'), '--print', 'json');
  assert.equal(printed.out.trimEnd().split('\n'), readFileSync(at('log2'), 'utf8').trimEnd().split('\n').slice(1, -1));
  assert.is(printed.out.split('"mark":"0x100013"').length, 101);
  const chosen = await lucid('events', at('log'), '--port', '0x71', '--print', 'json');
  assert.is(chosen.out.trimEnd().split('\n').length, 100);
  assert.not.match(chosen.out, /mark/);
});

test('exits are chosen by what they are about', async () => {
  await lucid(...RUN, '--events', at('log'));
  const chosen = await lucid('events', at('log'), '--port', '0xf0-0xff', '--print', 'json');
  const event = JSON.parse(chosen.out) as ExitEvent;
  assert.equal([event.port, event.direction, event.value], [0xf4, 'out', '0x1']);
  const perf = await lucid('events', at('log'), '--port', '0xf4', '--print', 'perf');
  assert.match(
    perf.out,
    /^ *guest\.elf +1 \[000\] \d+\.\d{9}: kvm:kvm_exit: vcpu 0 reason IO_INSTRUCTION rip 0x[0-9a-f]+ info1 0x0000000000f40040 /,
  );
});

test('of a log that was cut off what is there is shown, and the loss told', async () => {
  await lucid(...RUN, '--events', at('log'));
  truncateSync(at('log'), statSync(at('log')).size - 64 - 30);
  const { out, err, status } = await lucid('events', at('log'));
  assert.match(out, /IO_INSTRUCTION +100 /);
  assert.match(
    err,
    /^lucid: \S*log: has no end \(its run goes on, was killed, or the file was cut\): \d+ whole records, and 34 bytes of one more; what came after is not there\n$/,
  );
  assert.is(status, 0);
});

test('a log comes from a pipe or a FIFO too, and whoever reads what is printed may go away', async () => {
  await lucid(...RUN, '--events', at('log'));
  await lucid(...RUN, '--events', at('log.jsonl'));
  const { out: report } = await lucid('events', at('log'));
  for (const line of [
    'cat $D/log | $NODE $LUCID events -',
    'cat $D/log.jsonl | $NODE $LUCID events -',
    '$NODE $LUCID events - < $D/log',
    '$NODE $LUCID events <(cat $D/log)',
  ])
    assert.equal(shell(line), { out: report, err: '', status: 0, signal: null }, line);
  const chosen = shell('$NODE $LUCID events $D/log --port 0xf4 --print json | $NODE $LUCID exits - --by port --json');
  assert.match(chosen.out, /"records":1,"complete":true,"by":"port","rows":\[\{"key":"0xf4","count":1,/);
  for (const print of ['json', 'perf', 'trace-cmd']) {
    const first = shell(`$NODE $LUCID events $D/log --print ${print} | head -n 1`);
    assert.equal([first.out.split('\n').length, first.err, first.status], [2, '', 0]);
  }
  const full = shell('$NODE $LUCID events $D/log --print json > /dev/full');
  assert.match(full.err, /^lucid: standard output: No space left on device\n/);
  assert.is(full.status, 2);
});

test('what cannot be is told in one line', async () => {
  await lucid(...RUN, '--events', at('log'));
  writeFileSync(at('packed'), gzipSync(readFileSync(at('log'))));
  writeFileSync(at('nothing'), '');
  for (const [args, message] of [
    [['events'], /^lucid: which file\? give a log that lucid run --events wrote\n$/],
    [['events', at('none')], /^lucid: \S*none: No such file or directory\n$/],
    [['events', at('packed')], /^lucid: \S*packed: is compressed; unpack it on the way: zcat FILE \| lucid events -\n$/],
    [['events', at('nothing')], /^lucid: \S*nothing: is empty\n$/],
    [['events', ''], /^lucid: : No such file or directory\n$/],
    [['events', folder], /^lucid: \S*: is not a file\n$/],
    [['events', at('guest.elf')], /^lucid: \S*guest\.elf: is not a log of exits \(lucid run --events\)\n$/],
    [['events', at('log'), '--reason', 'oi'], /^lucid: --reason oi: unknown; there is EXCEPTION_NMI, /],
    [['events', at('log'), '--port', '5-'.concat('3')], /^lucid: --port 5-3: the range is empty/],
    [['events', at('log'), '--time', '2s-1s'], /^lucid: --time 2s-1s: ends before it begins\n$/],
    [['events', at('log'), '--symbols', at('guest.elf')], /^lucid: --symbols: names call chains of --print perf\n$/],
    [['events', at('log'), '--print', 'perf', '--json'], /^lucid: --print perf: prints each exit/],
    [[...RUN, '--events', at('guest.elf')], /^lucid: --events \S*guest\.elf: would overwrite --kernel; give another file\n$/],
    [[...RUN, '--events', join(at('none'), 'x')], /^lucid: --events \S*: No such file or directory\n$/],
    [
      [...RUN, '--events', `${at('x')},format=xml`],
      /^lucid: --events \S*: 'format=xml' is unknown; there is format=binary, format=json, stack, stack=N, watch=ADDRESS\n$/,
    ],
  ] as const) {
    const { status, out, err } = await lucid(...args);
    assert.match(err, message);
    assert.is(out, '');
    assert.is(status, 2, args.join(' '));
  }
});

/** A line of bash, with $NODE $LUCID, and files in $D. */
function shell(line: string): Finished {
  const ran = spawnSync('bash', ['-o', 'pipefail', '-c', line], {
    encoding: 'utf8',
    env: {
      ...process.env,
      XDG_RUNTIME_DIR: place.xdg,
      NODE: process.execPath,
      LUCID: fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url)),
      D: folder,
    },
  });
  return { out: ran.stdout, err: ran.stderr, status: ran.status, signal: ran.signal };
}

test('a log goes into a FIFO or a pipe as into a file; whoever reads it may go away', async () => {
  await lucid(...RUN, '--events', at('log'));
  const { out: report } = await lucid('events', at('log'));
  const run = `$NODE $LUCID run --kernel $D/guest.elf --debug-exit 0xf4 --serial null --no-exits`;
  assert.is(shell(`${run} --events /dev/stdout | $NODE $LUCID events -`).out, report);
  const fifo = shell(`mkfifo $D/fifo; ${run} --events $D/fifo 2>/dev/null & $NODE $LUCID events $D/fifo; wait $!; echo ended $?`);
  assert.is(fifo.out, `${report}ended 3\n`);
  const gone = shell(`mkfifo $D/gone; head -c 10 $D/gone > /dev/null & ${run.replace('guest', 'long')} --events $D/gone`);
  assert.match(gone.err, /lucid: --events \S*gone: broken pipe; the log ends after \d+ exits, the guest goes on\n/);
  assert.is(gone.status, 3);
});

test('of a log that grew too long for its file as much is told as can be read; one of a killed run is read', async () => {
  const run = (log: string, kernel = 'long'): string =>
    `$NODE $LUCID run --kernel $D/${kernel}.elf --debug-exit 0xf4 --serial null --no-exits --events $D/${log}`;
  for (const log of ['cut', 'cut.json', 'cut.ev,stack']) {
    // 1 MiB; what is compiled must be in its cache before, whose files may be longer.
    const { err, status } = shell(`ulimit -f 1024; ${run(log)}`);
    const told = /^lucid: --events \S+: File too large; the log ends after (\d+) exits, the guest goes on\n/.exec(err)?.[1];
    assert.is(status, 3, err);
    const read = await lucid('events', at(log.split(',')[0] as string), '--json');
    assert.is(String((JSON.parse(read.out) as { records: number }).records), told);
    assert.match(read.err, /has no end /);
  }
  const killed = shell(
    `${run('killed', 'forever')} & until [ -s $D/killed ] && [ $(stat -c %s $D/killed) -gt 3000000 ]; do sleep 0.1; done; kill -9 $!`,
  );
  assert.is(killed.status, 0, killed.err);
  const { out, err } = await lucid('events', at('killed'), '--json');
  assert.ok((JSON.parse(out) as { records: number }).records >= 46_000);
  assert.match(err, /has no end \(its run goes on, was killed, or the file was cut\): \d+ whole records/);
});

test('a disk that is full ends the log, not the guest', async () => {
  const { status, err } = await lucid(...RUN, '--events', '/dev/full');
  assert.is(status, 3);
  assert.match(err, /^lucid: --events \/dev\/full: No space left on device; the log ends after 0 exits, the guest goes on\n/);
});

test.run();
