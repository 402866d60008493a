/**
 * Figures of Debian with systemd, beside QEMU's with the same files: CPU seconds to `login:`, then, logged in, of reading the disk or of TCP.
 *
 * A boot takes a minute, so each run takes all figures from one; the peer's run follows at once. The first run counts, unlike in shorter benchmarks: the
 * process starts anew each time, and the image is in the host's cache after the copy that `obtainDebian` or an earlier run made.
 *
 * @module
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import process from 'node:process';
import { obtainDebian } from '../../images/debian/image.ts';
import { Console, logIn, lucidConsole } from './console.ts';
import { NO_QEMU, QEMU, qemuName } from './engines.ts';
import { type Row, type Sample, Skipped, sampleOf } from './measure.ts';

// Without systemd's lines of jobs, which a console shows in between whatever else it says.
const APPEND = 'console=ttyS0 root=/dev/vda ro cryptomgr.notests systemd.show_status=0';
const MEMORY = 512;
const LIMIT_MS = 1_200_000;
const RANDOM_READS = 4000;
const MIB = 1048576;
const MEGABYTES = 64;

type Files = { readonly kernel: string; readonly initrd: string; readonly disk: string };
type Start = (files: Files) => Console;

const lucid =
  (cpus: number, more: readonly string[] = []): Start =>
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
        ...more,
      ],
      LIMIT_MS,
    );

const qemu =
  (more: readonly string[] = []): Start =>
  ({ kernel, initrd, disk }) => {
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
    return new Console(QEMU, [...machine, ...guest, '-snapshot', '-drive', `file=${disk},format=raw,if=virtio`, ...more], LIMIT_MS);
  };

/** Reads at places that repeat. */
const RANDOM = `srand 1; open F, "<", "/dev/vda" or die; for (1..${RANDOM_READS}) { sysseek F, 4096 * int rand 170000, 0; sysread F, $_, 4096 }`;

/** What is done once someone is logged in; the CPU seconds of each. `before` is not counted. */
type Work = Readonly<Record<string, { readonly before: string; readonly line: string }>>;

const DISK_WORK: Work = {
  dd: { before: 'true', line: 'dd if=/dev/vda of=/dev/null bs=1M count=256 2>/dev/null' },
  // Without readahead, each request is the 4 KB that was asked for.
  random: { before: 'blockdev --setra 0 /dev/vda', line: `perl -e '${RANDOM}'` },
};

/** CPU seconds by what was done, of one boot. */
async function measure(start: Start, files: Files, work: Work): Promise<Map<string, number>> {
  const guest = start(files);
  try {
    await guest.until(/lucid login: /);
    const times = new Map([['login', guest.cpuSeconds()]]);
    if (Object.keys(work).length === 0) return times;
    guest.type('\n');
    await logIn(guest);
    // Whatever the system still does after its prompt is not the figure's.
    await guest.command('systemctl is-system-running --wait');
    for (const [name, { before, line }] of Object.entries(work)) {
      await guest.command(`${before}; blockdev --flushbufs /dev/vda; echo 3 > /proc/sys/vm/drop_caches`);
      const start = guest.cpuSeconds();
      const { status, output } = await guest.command(line);
      if (status !== 0) throw new Error(`${name}: status ${status}: ${output}`);
      times.set(name, guest.cpuSeconds() - start);
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
async function alternate(runs: number, starts: readonly Start[], work: Work): Promise<Map<string, Sample>[]> {
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

/** One processor beside QEMU; what makes a row of a sample by its name. */
async function beside(runs: number, own: Start, peer: Start, work: Work): Promise<(of: string, more: Partial<Row>) => Row> {
  const who = qemuName();
  const [lucids, peers] = await alternate(runs, who === undefined ? [own] : [own, peer], work);
  return (of, more) => ({
    name: `systemd-${of}`,
    unit: 's CPU',
    lucid: lucids?.get(of) as Sample,
    ...(peers === undefined || who === undefined ? { missing: NO_QEMU } : { peer: { who, sample: peers.get(of) as Sample } }),
    ...more,
  });
}

/** To `login:`, and the disk. */
export async function benchSystemd(runs: number): Promise<Row[]> {
  const row = await beside(runs, lucid(1), qemu(), DISK_WORK);
  return [
    row('login', { name: 'systemd', atMost: { value: 1.3, of: 'ratio' }, note: 'to login:' }),
    row('dd', { atMost: { value: 1.3, of: 'ratio' }, note: '256 MB from virtio-blk in blocks of 1 MB' }),
    row('random', { note: `${RANDOM_READS} reads of 4 KB` }),
  ];
}

/** A server on the loopback interface: takes what comes, or sends MEGABYTES of zeros; its port. */
async function server(serve: (socket: Socket) => void): Promise<{ readonly port: number; close(): void }> {
  const listening = createServer((socket) => {
    // The guest is killed when it has done its work.
    socket.on('error', () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  return { port: (listening.address() as AddressInfo).port, close: () => listening.close() };
}

/** TCP through user-mode networking: 10.0.2.2 is this host in both engines. The throughput is to be at least 0.8 times the peer's. */
export async function benchTcp(runs: number): Promise<Row[]> {
  const sink = await server((socket) => socket.resume());
  const source = await server((socket) => socket.end(Buffer.alloc(MEGABYTES * MIB)));
  const work: Work = {
    'tcp-out': { before: 'true', line: `head -c ${MEGABYTES * MIB} /dev/zero | nc -N 10.0.2.2 ${sink.port}` },
    'tcp-in': { before: 'true', line: `test $(nc -d 10.0.2.2 ${source.port} | wc -c) = ${MEGABYTES * MIB}` },
  };
  try {
    const row = await beside(runs, lucid(1, ['--nic', 'user']), qemu(['-nic', 'user,model=virtio-net-pci']), work);
    const atMost = { value: 1 / 0.8, of: 'ratio' } as const;
    return [
      row('tcp-out', { atMost, note: `${MEGABYTES} MB to the host` }),
      row('tcp-in', { atMost, note: `${MEGABYTES} MB from the host` }),
    ];
  } finally {
    sink.close();
    source.close();
  }
}

/** Two processors, beside one. */
export async function benchSystemd2(runs: number): Promise<Row[]> {
  const [two, one] = await alternate(runs, [lucid(2), lucid(1)], {});
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
