/**
 * Debian's Linux on devices that a board has when it is asked: virtio over MMIO, a virtio console, an HPET with PCI's configuration space in memory; and, at full
 * size, a directory of the host by 9P (the standard kernel has it) and the power button.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MODULES, obtainLinux } from '../../images/linux/fetch.ts';
import { driverInitramfs } from '../../images/linux/initramfs.ts';
import { obtainPackages } from '../../images/pc/packages.ts';
import { boot } from '../../vmm/cli/expect/boot.ts';
import { openDisk } from '../../vmm/disks.ts';
import { Machine, type MachineOptions } from '../../vmm/machine.ts';
import { reportOf } from '../../vmm/report.ts';
import { boardOf, restoreMachine, saveMachine } from '../../vmm/saved-machine.ts';
import { openShareFor } from '../../vmm/shares.ts';
import type { RunOptions } from '../../vmm/worker-messages.ts';
import { finished, runtimePlace, start, until } from '../cli/stat-commands.ts';
import { FULL } from './reference.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-linux-devices-'));
const place = runtimePlace();
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

const got = await obtainLinux();
if (!got.ok && process.env['LUCID_REQUIRE_LINUX'] === '1') throw new Error(`required here: ${got.reason}`);

const APPEND = 'console=ttyS0 cryptomgr.notests quiet';
const LIMIT = { insns: 6e9 };

interface Module {
  readonly name: string;
  readonly bytes: Uint8Array;
}

interface Kernel {
  readonly vmlinuz: string;
  module(name: string): Module;
}

/** The reference kernel. */
function reference(): Kernel {
  if (!got.ok) throw new Error(got.reason);
  return { vmlinuz: got.vmlinuz, module: (name) => ({ name, bytes: readFileSync(join(got.modules, `${name}.ko`)) }) };
}

/** A kernel of Debian's archive with all its modules; the reason when it cannot be had. */
async function packaged(name: string): Promise<Kernel | string> {
  const kernel = await obtainPackages([name]);
  if (!kernel.ok) return kernel.reason;
  const boot = kernel.packages.file('boot');
  const modules = kernel.packages.file('lib/modules');
  const files = new Map(readdirSync(modules, { recursive: true }).map((path) => [String(path).split('/').at(-1), String(path)]));
  return {
    vmlinuz: join(boot, readdirSync(boot).find((entry) => entry.startsWith('vmlinuz-')) as string),
    module: (module) => ({ name: module, bytes: readFileSync(join(modules, files.get(`${module}.ko`) ?? module)) }),
  };
}

function initrdOf(kernel: Kernel, modules: readonly string[], script: string): Uint8Array {
  if (!got.ok) throw new Error(got.reason);
  return driverInitramfs(readFileSync(join(got.modules, '../busybox')), modules.map(kernel.module), script);
}

interface Guest {
  readonly machine: Machine;
  readonly options: RunOptions;
  /** What COM1 said, and the virtio console. */
  text(): string;
  hvc(): string;
}

type Board = Partial<RunOptions> & { readonly kernel?: never };

function guest(kernel: Kernel, initrd: Uint8Array, append: string, board: Board): Guest {
  const { console: hvc, ...rest } = board;
  const options = { name: 'linux', memory: 256 * 2 ** 20, seed: 5, ...board } as unknown as RunOptions;
  let [text, said] = ['', ''];
  const machine = Machine.createSync({
    ...(rest as Partial<MachineOptions>),
    memory: options.memory,
    seed: options.seed,
    disks: options.disks?.map(openDisk),
    opened: options.shares?.map((share) => openShareFor(share, () => {})),
    virtioConsole: hvc === undefined ? undefined : { ...hvc, output: (byte) => (said += String.fromCharCode(byte)) },
    append,
    load: () => ({ kernel: readFileSync(kernel.vmlinuz), kernelName: 'vmlinuz', initrd }),
    output: (byte) => (text += String.fromCharCode(byte)),
  });
  return { machine, options, text: () => text, hvc: () => said };
}

/** Runs a guest to its end; and a second one from a snapshot of it in the middle, `marked` by what it says, which must come to the same. */
function savedInTheMiddle(make: (board: Board) => Guest, board: Board, marked: RegExp): Guest {
  const whole = make(board);
  assert.ok(whole.machine.boot().ok);
  for (let insns = 50e6; !marked.test(whole.text()); insns += 1e6) {
    assert.equal(whole.machine.run({ insns }), { kind: 'limit', which: 'insns' }, whole.text());
  }
  const snapshot = join(folder, 'snapshot');
  saveMachine(snapshot, whole.machine.vm, whole.options);
  const again = make(boardOf(snapshot) as Board);
  restoreMachine(snapshot, again.machine.vm);
  for (const each of [whole, again]) assert.equal(each.machine.run(LIMIT), { kind: 'power-off' }, each.text());
  assert.ok(whole.text().endsWith(again.text()));
  assert.is(reportOf(again.machine.vm).exitHash, reportOf(whole.machine.vm).exitHash);
  assert.is(reportOf(again.machine.vm).instructions, reportOf(whole.machine.vm).instructions);
  return whole;
}

const MMIO = `
ls /sys/bus/platform/drivers/virtio-mmio
dd if=/dev/vda bs=64k 2>/dev/null | md5sum
echo MIDDLE
dd if=/dev/vda bs=4k 2>/dev/null | md5sum
dd if=/dev/zero of=/dev/vda bs=64k count=16 conv=fsync 2>/dev/null
cat /sys/class/misc/hw_random/rng_current
dd if=/dev/hwrng bs=16 count=4 2>/dev/null | md5sum
echo HELLO > /dev/hvc0
echo MMIO-OK
`;

const HVC = `
exec < /dev/hvc0 > /dev/hvc0 2>&1
stty -echo
stty size
cat /sys/class/tty/console/active
echo PROMPT
read line
echo "GOT $line"
`;

const TIMERS = `
cat /sys/devices/system/clocksource/clocksource0/current_clocksource
sleep 0.1
echo MIDDLE
sleep 0.3
grep -c MMCONFIG /proc/iomem
grep -c 'HPET 0' /proc/iomem
echo TIMERS-OK
`;

const SHARE = `
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 files /mnt || echo NO-MOUNT
mount -t 9p -o trans=virtio,version=9p2000.L,ro share1 /m || echo NO-MOUNT
md5sum < /mnt/big
exec 3< /mnt/big
dd bs=1000 count=100 <&3 2>/dev/null | md5sum
echo MIDDLE
cat <&3 | md5sum
readlink /mnt/out
cat /mnt/out || echo STAYS-INSIDE
mkdir -p /mnt/d/e && echo deep > /mnt/d/e/f && mv /mnt/d/e/f /mnt/d/g && ln -s g /mnt/d/l && cat /mnt/d/l
cp /mnt/big /mnt/copy && cmp /mnt/big /mnt/copy && echo SAME
dd if=/dev/zero of=/mnt/copy bs=4096 count=1 conv=notrunc,fsync 2>/dev/null; truncate -s 5000 /mnt/copy
touch /m/no || echo READ-ONLY
for i in 1 2 3 4 5 6 7 8 9; do echo $i > /mnt/d/n$i; done; ls /mnt/d | wc -l
echo SHARE-OK
`;

const BUTTON = `
echo LISTENS
for device in /dev/input/event*; do (dd if=$device of=/dev/null bs=24 count=1 2>/dev/null; echo PRESSED; poweroff -f) & done
wait
`;

if (!got.ok) {
  console.log(`linux-devices: skipped: ${got.reason}`);
  test.skip('Linux on the devices of a board that was asked for them', () => {});
} else {
  test('virtio over MMIO: a disk, entropy and a console; saved in the middle it goes on alike', () => {
    const path = join(folder, 'disk');
    writeFileSync(path, 'some bytes');
    truncateSync(path, 2 ** 20);
    const initrd = initrdOf(reference(), [...MODULES, 'virtio_mmio', 'virtio_console'], MMIO);
    const board: Board = { virtio: 'mmio', disks: [{ path, snapshot: true }], rng: true, console: {} };
    const whole = savedInTheMiddle((made) => guest(reference(), initrd, APPEND, made), board, /MIDDLE/);
    const sum = execFileSync('md5sum', [path], { encoding: 'utf8' }).slice(0, 32);
    assert.is(whole.text().split(sum).length, 3, whole.text());
    assert.match(whole.text(), /LNRO0005:02/);
    assert.match(whole.text(), /virtio_rng\.0/);
    assert.match(whole.text(), /MMIO-OK/);
    assert.match(whole.hvc(), /HELLO/);
  });

  test('a virtio console is the console: its kernel and its person speak there, in a window of this size', () => {
    const initrd = initrdOf(reference(), [...MODULES, 'virtio_console'], HVC);
    const g = guest(reference(), initrd, 'console=hvc0 cryptomgr.notests', { console: { size: { columns: 132, rows: 43 } } });
    assert.ok(g.machine.boot().ok);
    for (let insns = 50e6; !/PROMPT/.test(g.hvc()); insns += 20e6)
      assert.equal(g.machine.run({ insns }), { kind: 'limit', which: 'insns' }, g.hvc());
    g.machine.consoleInput(new TextEncoder().encode('typed by a person\n'));
    assert.equal(g.machine.run(LIMIT), { kind: 'power-off' });
    assert.match(g.hvc(), /reboot: Power down/);
    assert.match(g.hvc(), /43 132\r?\nhvc0\r?\nPROMPT\r?\nGOT typed by a person/);
    assert.is(g.text(), '');
  });

  test('a dialogue on a virtio console, from mark to mark, is the same each time', async () => {
    const initrd = join(folder, 'hvc.cpio');
    writeFileSync(initrd, initrdOf(reference(), [...MODULES, 'virtio_console'], HVC));
    const dialogue = async (): Promise<unknown[]> => {
      await using g = await boot({
        kernel: reference().vmlinuz,
        initrd,
        append: 'console=hvc0 cryptomgr.notests quiet',
        console: 'virtio',
        limit: 'time=60',
      });
      const prompt = await g.until({ serial: 'PROMPT' });
      g.type('typed by a test\n');
      const answer = await g.until({ serial: 'GOT typed by a test' });
      assert.ok(answer.instructions > prompt.instructions);
      assert.equal(await g.run(), { kind: 'power-off' });
      assert.equal(g.find({ serial: 'GOT typed by a test' }, prompt), answer);
      assert.match(g.console, /PROMPT\r?\nGOT typed by a test\r?\n/);
      return [prompt, answer, g.report?.exitHash];
    };
    assert.equal(await dialogue(), await dialogue());
  });

  test('an HPET is the clock, and PCI has its configuration space in memory; saved in the middle it goes on alike', () => {
    const initrd = initrdOf(reference(), [], TIMERS);
    const make = (made: Board): Guest => guest(reference(), initrd, `${APPEND} clocksource=hpet tsc=unstable`, made);
    const whole = savedInTheMiddle(make, { hpet: true, ecam: true }, /MIDDLE/);
    assert.match(whole.text(), /^hpet\r?$/m);
    assert.match(whole.text(), /MIDDLE\r?\n1\r?\n1\r?\n/);
    assert.match(whole.text(), /TIMERS-OK/);
  });

  if (FULL) {
    test('a directory of the host is mounted, read and written; saved with an open file it goes on alike', async () => {
      const kernel = await packaged('linux-image-amd64');
      if (typeof kernel === 'string') return assert.unreachable(kernel);
      const [rw, ro] = [join(folder, 'rw'), join(folder, 'ro')];
      mkdirSync(rw);
      mkdirSync(ro);
      writeFileSync(
        join(rw, 'big'),
        Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 31) ^ (i >> 8)),
      );
      symlinkSync('/etc/passwd', join(rw, 'out'));
      const shares = [
        { path: rw, tag: 'files', writable: true },
        { path: ro, tag: 'share1', writable: false },
      ];
      const pci = MODULES.filter((name) => name !== 'virtio_blk' && name !== 'virtio-rng');
      const initrd = initrdOf(kernel, [...pci, 'netfs', 'fscache', '9pnet', '9p', '9pnet_virtio'], SHARE);
      const fresh = (): void => {
        for (const name of readdirSync(rw)) if (name !== 'big' && name !== 'out') rmSync(join(rw, name), { recursive: true });
      };
      const make = (board: Board): Guest => guest(kernel, initrd, APPEND, board);
      const g = make({ shares });
      assert.ok(g.machine.boot().ok);
      for (let insns = 500e6; !/MIDDLE/.test(g.text()); insns += 50e6)
        assert.equal(g.machine.run({ insns }), { kind: 'limit', which: 'insns' }, g.text());
      const snapshot = join(folder, 'shared');
      saveMachine(snapshot, g.machine.vm, g.options);
      assert.equal(g.machine.run({ insns: 20e9 }), { kind: 'power-off' }, g.text());
      const sums = ['big', 'copy'].map((name) => readFileSync(join(rw, name)).length);
      assert.equal(sums, [1_000_000, 5000]);
      for (const said of [/out\r?\n|\/etc\/passwd/, /STAYS-INSIDE/, /deep/, /SAME/, /READ-ONLY/, /SHARE-OK/]) assert.match(g.text(), said);
      fresh();
      const again = make(boardOf(snapshot) as Board);
      restoreMachine(snapshot, again.machine.vm);
      assert.equal(again.machine.run({ insns: 20e9 }), { kind: 'power-off' }, again.text());
      // The host's times and inodes are not the guest's to repeat; what the files say is.
      const said = (text: string): string => text.replaceAll(/^\[[^\n]*\n/gm, '');
      assert.ok(said(g.text()).endsWith(said(again.text())), again.text());
      assert.match(again.text(), /SHARE-OK/);
    });

    test('the power button reaches the guest', async () => {
      const kernel = await packaged('linux-image-cloud-amd64');
      if (typeof kernel === 'string') return assert.unreachable(kernel);
      const initrd = join(folder, 'button.cpio');
      writeFileSync(initrd, initrdOf(kernel, ['evdev', 'button'], BUTTON));
      const files = ['--kernel', kernel.vmlinuz, '--initrd', initrd, '--append', APPEND];
      const child = start('lucid', ['run', ...files, '--name', 'button', '--no-exits', '--limit', 'wall=300'], place.xdg);
      let out = '';
      child.stdout?.on('data', (text) => (out += text));
      const ended = finished(child);
      await new Promise<void>((resolve) => child.stdout?.on('data', () => /LISTENS/.test(out) && resolve()));
      await until('the button', ended, async () => (await finished(start('lucid', ['stop', 'button'], place.xdg))).status === 0);
      assert.is((await ended).status, 0);
      assert.match(out, /PRESSED/);
    });
  }
}

test.run();
