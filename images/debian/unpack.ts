/**
 * Unpacks Debian packages into an ext4 image as the first stage of an installation does; a program of its own, because it runs under fakeroot(1):
 * files get the owners that the packages say, without root.
 *
 * `node unpack.ts DEBS ROOT IMAGE SIZE`: every `.deb` in the folder DEBS is unpacked into ROOT, with dpkg's database as `dpkg --unpack` would leave it:
 * each package "unpacked" and not configured (dpkg(1), dpkg-query(1) "Package states"), its maintainer scripts and list of files in `info`.
 * No maintainer script runs here: they are programs of the new system. `dpkg --configure -a`, run in it, does the rest.
 * The file system is merged (/bin is a link to /usr/bin), which Debian 12 demands.
 *
 * What is in ROOT already (the system's own configuration) stays.
 *
 * @module
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

/** Links of the merged file system; the others that packages know (lib32, libx32) are not used on amd64. */
const MERGED = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];

/** More than the longest list of files. */
const MAX_OUTPUT = 2 ** 26;

/** Every path a package installs, as tar names them: `./`, `./bin/`, `./bin/bash`. */
function unpackFiles(deb: string, root: string): string[] {
  const script =
    'dpkg-deb --fsys-tarfile "$1" | tar --extract --verbose --quoting-style=literal --numeric-owner --preserve-permissions --keep-directory-symlink -C "$2"';
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script, 'sh', deb, root], { encoding: 'utf8', maxBuffer: MAX_OUTPUT });
  if (status !== 0) throw new Error(`${deb}: ${stderr.trim()}`);
  return stdout.split('\n').filter((line) => line !== '');
}

/** tar's names as dpkg's lists have them: `/.`, `/bin`, `/bin/bash`. */
function listed(path: string): string {
  return path === './' ? '/.' : path.slice(1).replace(/\/$/, '');
}

function field(control: string, name: string): string {
  return new RegExp(`^${name}: *(.*)$`, 'm').exec(control)?.[1] ?? '';
}

/** The paragraph of a package in `status` (dpkg's manual: status is control plus Status and Conffiles). */
function paragraph(control: string, conffiles: readonly string[], root: string): string {
  const hashes = conffiles.map(
    (path) =>
      ` ${path} ${createHash('md5')
        .update(readFileSync(join(root, path)))
        .digest('hex')}`,
  );
  const conf = hashes.length > 0 ? `Conffiles:\n${hashes.join('\n')}\n` : '';
  return `${control.trim()}\nStatus: install ok unpacked\n${conf}\n`;
}

/** Unpacks one package; its paragraph in `status`. */
function unpack(deb: string, root: string, info: string): string {
  const control = mkdtempSync(join(root, 'control-'));
  try {
    execFileSync('dpkg-deb', ['--control', deb, control]);
    const text = readFileSync(join(control, 'control'), 'utf8');
    const name = field(text, 'Package');
    // A package that may be installed for several architectures at once has its architecture in the names of its files.
    const base = field(text, 'Multi-Arch') === 'same' ? `${name}:${field(text, 'Architecture')}` : name;
    const paths = unpackFiles(deb, root);
    writeFileSync(join(info, `${base}.list`), paths.map((path) => `${listed(path)}\n`).join(''));
    const conffiles = existsSync(join(control, 'conffiles')) ? readFileSync(join(control, 'conffiles'), 'utf8').split('\n') : [];
    for (const file of readdirSync(control).filter((entry) => entry !== 'control'))
      renameSync(join(control, file), join(info, `${base}.${file}`));
    return paragraph(
      text,
      conffiles.filter((path) => path.startsWith('/')),
      root,
    );
  } finally {
    rmSync(control, { recursive: true });
  }
}

function makeImage(root: string, image: string, size: string): void {
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-L', 'debian', '-d', root, image, size], { stdio: ['ignore', 'ignore', 'inherit'] });
}

function main([debs, root, image, size]: readonly string[]): void {
  if (debs === undefined || root === undefined || image === undefined || size === undefined)
    throw new Error('usage: unpack.ts DEBS ROOT IMAGE SIZE');
  for (const name of MERGED) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  const dpkg = join(root, 'var/lib/dpkg');
  const info = join(dpkg, 'info');
  for (const folder of [info, join(dpkg, 'updates'), join(dpkg, 'triggers')]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(info, 'format'), '1\n');
  writeFileSync(join(dpkg, 'available'), '');
  const names = readdirSync(debs)
    .filter((entry) => entry.endsWith('.deb'))
    .sort();
  writeFileSync(join(dpkg, 'status'), names.map((name) => unpack(join(debs, name), root, info)).join(''));
  makeImage(root, image, size);
}

main(process.argv.slice(2));
