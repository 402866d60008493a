/**
 * Two boots of Debian's Linux that differ by one switch of its command line: `lucid diff` names the right cause first.
 *
 * What is expected follows from the kernel's documentation (admin-guide/kernel-parameters) and its sources. Each boot has its own KASLR.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FULL, reference, WITHOUT_TESTS } from './reference.ts';

const LUCID = fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url));
const TEXT = /^the console's text$/;

interface Switch {
  readonly append: string;
  /** The first row of the table. */
  readonly first: RegExp;
  /** A cause that the place where it begins names, on either side. */
  readonly begins?: RegExp;
  /** In continuous integration too. */
  readonly always?: boolean;
}

const SWITCHES: readonly Switch[] = [
  { append: 'clocksource=acpi_pm', first: /^IO_INSTRUCTION in 0x608$/, begins: /in 0x608$/, always: true },
  { append: 'i8042.nopnp', first: /^IO_INSTRUCTION in 0x64$/, begins: /0x6[04]$/, always: true },
  { append: 'quiet', first: TEXT },
  { append: 'nopti', first: TEXT },
  { append: 'audit=0', first: TEXT },
  { append: 'initcall_debug', first: TEXT },
  { append: 'tsc=unstable', first: /^IO_INSTRUCTION in 0x608$/, begins: /in 0x608$/ },
  { append: 'lapic=notscdeadline', first: /^MSR_WRITE 0x6e0$/, begins: /APIC_ACCESS|MSR_WRITE 0x6e0/ },
  { append: 'noapic', first: /^EPT_MISCONFIG page 0xfec00000$/, begins: /page 0xfec00000|out 0x21/ },
  { append: '8250.nr_uarts=1', first: /^IO_INSTRUCTION (in|out) 0x(2[ef]|3e)[89a-f]$/, begins: /0x(2[ef]|3e)[89a-f]$/ },
  { append: 'noxsave', first: /^CPUID leaf 0xd$/, begins: /leaf 0xd|XSETBV/ },
  { append: 'apic=debug', first: /^EPT_MISCONFIG page 0xfec00000$/ },
  { append: 'initcall_blacklist=cmos_init', first: /^IO_INSTRUCTION (out 0x70|in 0x71)$/, begins: /out 0x70|in 0x71/ },
  { append: 'initcall_blacklist=i8042_init', first: /^IO_INSTRUCTION in 0x64$/, begins: /0x6[04]$/ },
  { append: 'hugepages=16', first: /^EPT_VIOLATION write$/ },
  { append: 'nokaslr', first: /^EPT_VIOLATION write$/ },
];

interface Json {
  readonly phases: readonly { readonly differences: readonly { readonly key: string }[] }[];
  readonly begins: { readonly before: { readonly cause: string } | null; readonly after: { readonly cause: string } | null } | null;
  readonly console: { readonly added: readonly string[] };
}

const folder = mkdtempSync(join(tmpdir(), 'lucid-linux-diff-'));
test.after(() => rmSync(folder, { recursive: true }));
const linux = await reference();

function lucid(...args: string[]): { status: number | null; out: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [LUCID, ...args], { encoding: 'utf8', maxBuffer: 1 << 26 });
  assert.is.not(status, 2, stderr);
  return { status, out: stdout };
}

if (linux === undefined) test.skip('Linux (cannot be had here)');
else {
  const { kernel = '', initrd = '' } = linux.image;
  const logged = (name: string, append: string): string => {
    const path = join(folder, name);
    const guest = ['--kernel', kernel, '--initrd', initrd, '--append', append, '--serial', 'null', '--no-exits', '--limit', 'time=60'];
    lucid('run', ...guest, '--events', path);
    return path;
  };
  const base = logged('base', WITHOUT_TESTS);

  for (const { append, first, begins } of SWITCHES.filter(({ always }) => FULL || always)) {
    test(`${append}: the right cause comes first`, () => {
      const { status, out } = lucid('diff', base, logged(append, `${WITHOUT_TESTS} ${append}`), '--json');
      assert.is(status, 1);
      const found = JSON.parse(out) as Json;
      assert.match(found.phases[0]?.differences[0]?.key ?? '', first);
      const sides = [found.begins?.before?.cause, found.begins?.after?.cause].filter((cause) => cause !== undefined);
      if (begins !== undefined)
        assert.ok(
          sides.some((cause) => begins.test(cause)),
          sides.join(' | '),
        );
      assert.ok(found.console.added.some((line) => line.includes(append)) || append === 'quiet');
      rmSync(join(folder, append));
    });
  }

  test('the same boot does not differ', () => {
    const { status, out } = lucid('diff', base, logged('again', WITHOUT_TESTS));
    assert.is(status, 0);
    assert.match(out, /^exits (\d+) before, \1 after \(\+0\), in (\S+) and \2\n$/);
  });
}

test.run();
