/** obtainLinux with stand-ins for apt and dpkg on the PATH: what it asks them for, and what it says when they fail. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from '../../../images/apt.ts';
import { KEPT, obtainLinux } from '../../../images/linux/fetch.ts';

const PATH = process.env['PATH'];
let folder = '';

/** apt-get download NAME makes NAME.deb; dpkg-deb unpacks a kernel or a busybox from it by its name. */
const STAND_INS: Readonly<Record<string, string>> = {
  'apt-cache': `[ -n "$KNOWN" ] || case "$*" in *Dir::State*) [ -e "$UPDATED" ] ;; *) false ;; esac || { echo "E: No packages found" >&2; exit 100; }
echo "$3$1"; echo "  Depends: linux-image-1.2.3-cloud-amd64"`,
  'apt-get': `for last; do :; done
case "$*" in
*update*) [ -n "$UPDATED" ] && : > "$UPDATED" || { echo "W: Download is slow" >&2; echo "E: No network" >&2; exit 100; } ;;
*) [ -z "$BROKEN" ] || { echo "E: 404 Not Found" >&2; exit 100; }; : > "$last.deb" ;;
esac`,
  'dpkg-deb': `case "$1 $2" in
*--field*) echo 1.2.3-4 ;;
*linux*) mkdir -p "$3/boot" "$3/lib/modules/1.2.3/kernel/drivers/virtio"; printf kernel > "$3/boot/vmlinuz-1.2.3"
for m in ${KEPT.join(' ')}; do printf $m > "$3/lib/modules/1.2.3/kernel/drivers/virtio/$m.ko"; done ;;
*) mkdir -p "$3/bin"; printf busybox > "$3/bin/busybox" ;;
esac`,
};

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'lucid-fetch-test-'));
  mkdirSync(join(folder, 'bin'));
  for (const [name, script] of Object.entries(STAND_INS))
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  process.env['PATH'] = `${join(folder, 'bin')}:${PATH}`;
  process.env['KNOWN'] = '1';
});

test.after.each(() => {
  process.env['PATH'] = PATH;
  for (const name of ['KNOWN', 'UPDATED', 'BROKEN']) delete process.env[name];
  rmSync(folder, { recursive: true, force: true });
});

const cache = (): string => join(folder, 'cache', 'lucid');
const obtain = (lines: string[] = []) => obtainLinux((line) => lines.push(line), { cache: cache() });

test('kernel and busybox are fetched once, then come from the cache', async () => {
  const lines: string[] = [];
  const first = await obtain(lines);
  assert.ok(first.ok, first.ok ? '' : first.reason);
  if (!first.ok) return;
  assert.equal([first.fromCache, first.version], [false, '1.2.3-4']);
  assert.equal(lines, ['downloading linux-image-1.2.3-cloud-amd64', 'downloading busybox-static']);
  assert.is(readFileSync(first.vmlinuz, 'utf8'), 'kernel');
  for (const name of KEPT) assert.is(readFileSync(join(first.modules, `${name}.ko`), 'utf8'), name);
  assert.is(readFileSync(first.initramfs, 'latin1').slice(0, 6), '070701');
  process.env['BROKEN'] = '1';
  assert.equal(await obtain(), { ...first, fromCache: true });
  assert.equal(readdirSync(cache()), ['linux'], 'nothing else is left behind');
});

test('a damaged cache is filled again', async () => {
  await obtain();
  truncateSync(join(cache(), 'linux', 'vmlinuz'), 3);
  const again = await obtain();
  assert.ok(again.ok && !again.fromCache && readFileSync(again.vmlinuz, 'utf8') === 'kernel');
  writeFileSync(join(cache(), 'linux', 'manifest.json'), '{');
  assert.ok((await obtain()).ok);
});

test('two at once both succeed', async () => {
  const both = await Promise.all([obtain(), obtain()]);
  assert.ok(both.every((result) => result.ok));
  assert.equal(readdirSync(cache()), ['linux']);
});

test('without package lists private ones are fetched', async () => {
  delete process.env['KNOWN'];
  process.env['UPDATED'] = join(folder, 'updated');
  const lines: string[] = [];
  assert.ok((await obtain(lines)).ok);
  assert.match(lines[0] ?? '', /no package lists; fetching private ones/);
});

test('each failure is one line that says what to do', async () => {
  const reason = async (): Promise<string> => {
    const result = await obtain();
    assert.equal(existsSync(cache()) ? readdirSync(cache()) : [], [], 'nothing is left behind');
    return result.ok ? 'obtained' : result.reason;
  };
  process.env['BROKEN'] = '1';
  assert.match(await reason(), /^apt-get download linux-image-1\.2\.3-cloud-amd64 failed: 404 Not Found; .*apt-get update/);
  delete process.env['KNOWN'];
  assert.match(await reason(), /^apt knows no package linux-image-cloud-amd64, .*\(No network\): check .*--builtin$/);
  process.env['PATH'] = join(folder, 'nothing');
  assert.match(await reason(), /^no apt-cache here: .*--builtin$/);
  const offline = await obtainLinux(() => {}, { cache: cache(), offline: true });
  assert.match(offline.ok ? '' : offline.reason, /^no reference guest in .*lucid\/linux; run/);
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const unusable = await obtainLinux(() => {}, { cache: join(file, 'lucid') });
  assert.match(unusable.ok ? '' : unusable.reason, /^the cache folder .* cannot be used \(.*\); set XDG_CACHE_HOME/);
});

test('the cache folder follows XDG_CACHE_HOME when that is absolute', () => {
  const before = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = '/some/where';
  assert.is(cacheFolder(), '/some/where/lucid');
  process.env['XDG_CACHE_HOME'] = 'relative';
  assert.match(cacheFolder(), /\/\.cache\/lucid$/);
  if (before === undefined) delete process.env['XDG_CACHE_HOME'];
  else process.env['XDG_CACHE_HOME'] = before;
});

test.run();
