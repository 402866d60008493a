/** The first stage of the Debian recipe, on packages made here: dpkg's database and the files of the image. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const UNPACK = fileURLToPath(new URL('../../images/debian/unpack.ts', import.meta.url));
const TOOLS = ['dpkg-deb', 'mke2fs', 'debugfs', 'tar'];
const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };
const missing = TOOLS.filter((tool) => spawnSync(tool, ['--version'], { stdio: 'ignore', env }).error !== undefined);

const folder = mkdtempSync(join(tmpdir(), 'lucid-unpack-'));
test.after(() => rmSync(folder, { recursive: true }));

/** Makes a package whose files are `files`. */
function pack(name: string, fields: string, files: Readonly<Record<string, string>>, scripts: Readonly<Record<string, string>>): void {
  const root = join(folder, name);
  for (const [path, text] of [
    ...Object.entries(files),
    ...Object.entries(scripts).map(([file, text]) => [`DEBIAN/${file}`, text] as const),
  ]) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
    if (path.startsWith('DEBIAN/') && !path.endsWith('conffiles')) chmodSync(join(root, path), 0o755);
  }
  mkdirSync(join(root, 'DEBIAN'), { recursive: true });
  const control = `Package: ${name}\nVersion: 1\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.org>\n${fields}Description: a test\n`;
  writeFileSync(join(root, 'DEBIAN/control'), control);
  execFileSync('dpkg-deb', ['--root-owner-group', '--build', root, join(folder, 'debs')], { stdio: 'ignore', env });
}

if (missing.length > 0) {
  console.log(`debian-unpack: skipped: ${missing.join(', ')} not installed`);
  test.skip('packages are unpacked', () => {});
} else {
  test("packages are unpacked into a merged system, and dpkg's database says so", () => {
    mkdirSync(join(folder, 'debs'));
    pack('alpha', '', { 'bin/tool': 'tool', 'etc/alpha.conf': 'a\n' }, { conffiles: '/etc/alpha.conf\n', postinst: '#!/bin/sh\n' });
    pack('beta', 'Multi-Arch: same\n', { 'usr/lib/beta': 'b' }, {});
    const [root, image] = [join(folder, 'root'), join(folder, 'image')];
    mkdirSync(root);
    execFileSync(process.execPath, [UNPACK, join(folder, 'debs'), root, image, '4M'], { env });
    const dpkg = (path: string): string => readFileSync(join(root, 'var/lib/dpkg', path), 'utf8');
    const [alpha, beta] = dpkg('status').split('\n\n');
    assert.match(
      alpha ?? '',
      /^Package: alpha\n[\s\S]*\nStatus: install ok unpacked\nConffiles:\n \/etc\/alpha.conf 60b725f10c9c85c70d97880dfe8191b3$/,
    );
    assert.match(beta ?? '', /\nStatus: install ok unpacked$/);
    assert.is(dpkg('info/alpha.list'), '/.\n/bin\n/bin/tool\n/etc\n/etc/alpha.conf\n');
    assert.is(dpkg('info/beta:amd64.list'), '/.\n/usr\n/usr/lib\n/usr/lib/beta\n');
    assert.is(dpkg('info/alpha.postinst'), '#!/bin/sh\n');
    const read = (path: string): string =>
      execFileSync('debugfs', ['-R', `cat ${path}`, image], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env });
    assert.is(read('/usr/bin/tool'), 'tool', '/bin is /usr/bin');
    assert.is(read('/var/lib/dpkg/info/format'), '1\n');
  });

  test('a package that is damaged is named', () => {
    rmSync(join(folder, 'debs'), { recursive: true });
    mkdirSync(join(folder, 'debs'));
    writeFileSync(join(folder, 'debs/broken.deb'), 'not a package');
    const root = join(folder, 'root2');
    mkdirSync(root);
    const { status, stderr } = spawnSync(process.execPath, [UNPACK, join(folder, 'debs'), root, join(folder, 'image2'), '4M'], {
      encoding: 'utf8',
      env,
    });
    assert.is(status, 1);
    assert.match(stderr, /broken\.deb/);
  });
}

test.run();
