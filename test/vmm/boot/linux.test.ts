/** The loaders on Debian's own kernel, when the reference guest is cached (LUCID_REQUIRE_LINUX=1 fetches it). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readFileSync } from 'node:fs';
import { obtainLinux } from '../../../images/linux/fetch.ts';
import { extractVmlinux } from '../../../vmm/boot/vmlinux.ts';
import { loadGuest, type BootKind, type EntryState } from '../../../vmm/boot/index.ts';
import { GuardedRam, MB, options } from './synthetic.ts';

const required = process.env['LUCID_REQUIRE_LINUX'] === '1';
const linux = await obtainLinux(() => {}, { offline: !required });
if (!linux.ok && required) throw new Error(linux.reason);
const real = linux.ok ? test : test.skip;
if (!linux.ok) process.stdout.write(`skipped: ${linux.reason}\n`);
const vmlinuz = linux.ok ? readFileSync(linux.vmlinuz) : new Uint8Array(0);
const initrd = linux.ok ? readFileSync(linux.initramfs) : new Uint8Array(0);

function boot(ram: GuardedRam, kind?: BootKind): { kind: BootKind; entry: EntryState } {
  const result = loadGuest(options(ram, vmlinuz, { initrd, kind }));
  assert.equal(ram.outside, []);
  if (!result.ok) throw new Error(result.reason);
  return result;
}

real('the bzImage is entered at its 64-bit entry, 512 bytes behind its preferred address', () => {
  const ram = new GuardedRam(128 * MB);
  const { kind, entry } = boot(ram);
  assert.is(kind, 'bzimage');
  const view = ram.view();
  assert.is(entry.rip, Number(view.getBigUint64(entry.rsi + 0x258, true)) + 0x200);
  // The code at the entry is the file's.
  const code = (vmlinuz[0x1f1] ?? 0) * 512 + 512 + 0x200;
  assert.equal(Buffer.from(ram.bytes.subarray(entry.rip, entry.rip + 64)), Buffer.from(vmlinuz.subarray(code, code + 64)));
  const at = view.getUint32(entry.rsi + 0x218, true);
  assert.equal([at % 4096, Buffer.compare(ram.bytes.subarray(at, at + initrd.length), initrd)], [0, 0]);
});

real('it has the 32-bit and the real-mode entry too', () => {
  assert.is(boot(new GuardedRam(128 * MB), 'bzimage32').entry.mode, 'protected');
  const ram = new GuardedRam(128 * MB);
  assert.is(boot(ram, 'bzimage16').entry.mode, 'real');
  assert.is(ram.view().getUint16(0x901fe, true), 0xaa55);
});

real('its payload unpacks to an ELF file with a PVH note, which boots with 72 MB', () => {
  const vmlinux = extractVmlinux(vmlinuz);
  assert.is(Buffer.from(vmlinux?.subarray(0, 4) ?? []).toString('latin1'), '\x7fELF');
  const ram = new GuardedRam(72 * MB);
  const { kind, entry } = boot(ram, 'pvh');
  assert.equal([kind, entry.mode], ['pvh', 'protected']);
  assert.is(ram.view().getUint32(entry.rbx, true), 0x336ec578);
});

real('too little memory is said with what is needed', () => {
  const result = loadGuest(options(new GuardedRam(32 * MB), vmlinuz, { initrd }));
  assert.match(result.ok ? '' : result.reason, /at least \d+ MB of memory, the guest has 32 MB/);
});

test.run();
