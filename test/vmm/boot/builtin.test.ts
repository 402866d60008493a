/** The built-in guest: its committed file, our loaders' view of it, and its log on another machine (QEMU), where there is one. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadGuest } from '../../../vmm/boot/index.ts';
import { GuardedRam, MB, options } from './synthetic.ts';

const ROOT = join(import.meta.dirname, '../../..');
const IMAGE = join(ROOT, 'images/builtin/lucid-guest.elf');
const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'images/builtin/lucid-guest.json'), 'utf8')) as { gcc: string; ld: string };

const firstLine = (command: string): string | undefined => spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout?.split('\n')[0];
const sameCompiler = firstLine('gcc') === MANIFEST.gcc && firstLine('ld') === MANIFEST.ld;
const hasQemu = firstLine('qemu-system-x86_64') !== undefined;

const LOG = [
  /^Lucid's built-in guest, entered by (PVH|multiboot)$/,
  /^command line: .*hello=1$/,
  /^cpu: \w+, family \d+, model \d+, stepping \d+$/,
  /^memory: \d+ KB in 2 ranges$/,
  /^acpi: PM1a control at port 0x604 \(FADT\), sleep type 0 for S5$/,
  /^exceptions: #DE #BP #UD #GP #PF at 0x8000000000, error 2, all recovered$/,
  /^apic: id 0 at 0xfee00000, ioapic with 24 inputs$/,
  /^timer: local APIC, 1000 interrupts a second$/,
  /^A: 2262 primes below 20000$/,
  /^B: crc32 104a450b of 16384 bytes$/,
  /^C: median 2201489739 of 4096 numbers$/,
  /^A: 4203 primes below 40000$/,
  /^B: crc32 e218c510 of 32768 bytes$/,
  /^C: median 2109039969 of 8192 numbers$/,
  /^A: 6057 primes below 60000$/,
  /^B: crc32 2e8a52bf of 65536 bytes$/,
  /^C: median 2162876084 of 16384 numbers$/,
  /^C: page fault at 0x100000, error 7: ended$/,
  /^3 address spaces, all preempted in ring 3: yes; 52 pages on demand; idle between: yes$/,
  /^BOOT-OK$/,
];

test('the committed file has at most 100 kB and boots by PVH and by multiboot', () => {
  const kernel = readFileSync(IMAGE);
  assert.ok(kernel.length <= 100_000);
  for (const kind of [undefined, 'multiboot'] as const) {
    const result = loadGuest(options(new GuardedRam(4 * MB), kernel, { kind }));
    assert.is(result.ok && result.kind, kind ?? 'pvh');
  }
});

const rebuilt = sameCompiler ? test : test.skip;
rebuilt(`the committed file is what its sources give (needs ${MANIFEST.gcc}, ${MANIFEST.ld})`, () => {
  const check = spawnSync(process.execPath, [join(ROOT, 'images/build.ts'), '--check'], { encoding: 'utf8' });
  assert.is(check.status, 0, check.stderr);
});

/** Runs the guest in QEMU; its lines, and whether the machine ended by itself. */
function qemu(image: string): string[] {
  const args = ['-M', 'q35', '-accel', 'tcg', '-m', '64', '-kernel', image, '-append', 'hello=1', '-nic', 'none'];
  const run = spawnSync(
    'qemu-system-x86_64',
    [...args, '-icount', 'shift=0,sleep=off', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
    {
      encoding: 'utf8',
      timeout: 60_000,
    },
  );
  assert.is(run.status, 0, `status ${run.status}, signal ${run.signal}: ${run.stderr}`);
  return run.stdout.trimEnd().split('\r\n');
}

(hasQemu ? test : test.skip)('QEMU: by multiboot and by PVH it logs its work and powers off', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lucid-builtin-'));
  try {
    // QEMU looks for multiboot first; without that header it takes the PVH note.
    const pvhOnly = readFileSync(IMAGE);
    pvhOnly.writeUInt32LE(0, pvhOnly.indexOf(Buffer.from([0x02, 0xb0, 0xad, 0x1b])));
    writeFileSync(join(folder, 'pvh.elf'), pvhOnly);
    for (const [image, protocol] of [
      [IMAGE, 'multiboot'],
      [join(folder, 'pvh.elf'), 'PVH'],
    ] as const) {
      const lines = qemu(image);
      assert.ok(lines[0]?.endsWith(`entered by ${protocol}`), lines[0]);
      assert.is(lines.length, LOG.length, lines.join('\n'));
      LOG.forEach((pattern, i) => {
        assert.match(lines[i] ?? '', pattern);
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
