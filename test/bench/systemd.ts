/**
 * Figures of Debian with systemd, beside QEMU's with the same files: CPU seconds to `login:`, then, logged in, of reading the disk.
 *
 * A boot takes a minute, so each run takes all figures from one; the peer's run follows at once. The first run counts, unlike in shorter benchmarks: the
 * process starts anew each time, and the image is in the host's cache after the copy that `obtainDebian` or an earlier run made.
 *
 * @module
 */
import process from 'node:process';
import { obtainDebian } from '../../images/debian/image.ts';
import { Console, logIn, lucidConsole } from './console.ts';
import { NO_QEMU, QEMU, qemuName } from './engines.ts';
import { type Row, type Sample, Skipped, sampleOf } from './measure.ts';

const APPEND = 'console=ttyS0 root=/dev/vda ro cryptomgr.notests';
const MEMORY = 512;
const LIMIT_MS = 1_200_000;
const RANDOM_READS = 4000;

type Files = { readonly kernel: string; readonly initrd: string; readonly disk: string };
type Start = (files: Files) => Console;

const lucid =
  (cpus: number): Start =>
  ({ kernel, initrd, disk }) =>
    lucidConsole(
      [
        '--kernel',
        kernel,
        '--initrd',
        initrd,
        '--append',
        APPEND,
        '--memory',
        `${MEMORY}M`,
        '--disk',
        `${disk},snapshot`,
        '--cpus',
        String(cpus),
      ],
      LIMIT_MS,
    );

const qemu: Start = ({ kernel, initrd, disk }) => {
  const machine = [
    '-accel',
    'tcg,thread=single',
    '-nodefaults',
    '-display',
    'none',
    '-serial',
    'stdio',
    '-no-reboot',
    '-m',
    String(MEMORY),
  ];
  const guest = ['-kernel', kernel, '-initrd', initrd, '-append', APPEND];
  return new Console(QEMU, [...machine, ...guest, '-snapshot', '-drive', `file=${disk},format=raw,if=virtio`], LIMIT_MS);
};

/** Reads at places that repeat, each the 4 KB that was asked for (no readahead). */
const RANDOM = `srand 1; open F, "<", "/dev/vda" or die; for (1..${RANDOM_READS}) { sysseek F, 4096 * int rand 170000, 0; sysread F, $_, 4096 }`;

/** What is done once someone is logged in; the CPU seconds of each. */
const WORK: Readonly<Record<string, string>> = {
  dd: 'dd if=/dev/vda of=/dev/null bs=1M count=256 2>/dev/null',
  random: `perl -e '${RANDOM}'`,
};

/** CPU seconds by what was done, of one boot. */
async function measure(start: Start, files: Files, work: readonly string[]): Promise<Map<string, number>> {
  const guest = start(files);
  try {
    await guest.until(/lucid login: /);
    const times = new Map([['login', guest.cpuSeconds()]]);
    if (work.length === 0) return times;
    guest.type('\n');
    await logIn(guest);
    // Whatever the system still does after its prompt is not the figure's.
    await guest.command('systemctl is-system-running --wait; blockdev --setra 0 /dev/vda');
    for (const name of work) {
      await guest.command('blockdev --flushbufs /dev/vda; echo 3 > /proc/sys/vm/drop_caches');
      const before = guest.cpuSeconds();
      const { status, output } = await guest.command(WORK[name] as string);
      if (status !== 0) throw new Error(`${name}: status ${status}: ${output}`);
      times.set(name, guest.cpuSeconds() - before);
    }
    return times;
  } finally {
    guest.kill();
    await guest.ended();
  }
}

async function files(): Promise<Files> {
  const got = await obtainDebian((line) => process.stderr.write(`bench: ${line}\n`));
  if (!got.ok) throw new Skipped(`Debian with systemd could not be had: ${got.reason}`);
  return got;
}

/** Every start in turn, `runs` times; a sample by what was done for each. */
async function alternate(runs: number, starts: readonly Start[], work: readonly string[]): Promise<Map<string, Sample>[]> {
  const image = await files();
  const values = starts.map(() => new Map<string, number[]>());
  for (let round = 0; round < runs; round++) {
    for (const [i, start] of starts.entries()) {
      for (const [name, seconds] of await measure(start, image, work)) {
        const all = values[i] as Map<string, number[]>;
        all.set(name, [...(all.get(name) ?? []), seconds]);
      }
    }
  }
  return values.map((by) => new Map([...by].map(([name, times]) => [name, sampleOf(times)])));
}

/** One processor, beside QEMU. */
export async function benchSystemd(runs: number): Promise<Row[]> {
  const who = qemuName();
  const [own, peer] = await alternate(runs, who === undefined ? [lucid(1)] : [lucid(1), qemu], Object.keys(WORK));
  const row = (name: string, of: string, atMost: Row['atMost'], note?: string): Row => ({
    name,
    unit: 's CPU',
    lucid: own?.get(of) as Sample,
    ...(peer === undefined || who === undefined ? { missing: NO_QEMU } : { peer: { who, sample: peer.get(of) as Sample } }),
    atMost,
    note,
  });
  return [
    row('systemd', 'login', { value: 1.3, of: 'ratio' }, 'to login:'),
    row('systemd-dd', 'dd', { value: 1.3, of: 'ratio' }, '256 MB from virtio-blk in blocks of 1 MB'),
    row('systemd-random', 'random', undefined, `${RANDOM_READS} reads of 4 KB`),
  ];
}

/** Two processors, beside one. */
export async function benchSystemd2(runs: number): Promise<Row[]> {
  const [two, one] = await alternate(runs, [lucid(2), lucid(1)], []);
  return [
    {
      name: 'systemd-2',
      unit: 's CPU',
      lucid: two?.get('login') as Sample,
      peer: { who: 'one processor', sample: one?.get('login') as Sample },
      atMost: { value: 1.15, of: 'ratio' },
      note: 'to login:, two processors',
    },
  ];
}
