/**
 * Debian with systemd on a disk of its own: a minimal installation (what debootstrap calls minbase, and systemd, udev and the cloud kernel with its
 * initramfs), made from the distribution's packages without root and kept in the user's cache folder.
 *
 * Two stages, as debootstrap has them for another architecture: the packages are unpacked into an ext4 image here (unpack.ts, under fakeroot), and
 * configured by their own scripts in a guest (configure.ts), which is Lucid with the reference guest's kernel. Whatever the host forbids its users
 * (namespaces, mounts, chroot), this works.
 *
 * The finished folder is renamed into place; a build that is killed leaves only a folder that the next one sweeps away. Leaves out: updating
 * (remove the folder).
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { cacheFolder, complaint, FetchError, makeFolder, run, sweep } from '../apt.ts';
import { MODULES, obtainLinux } from '../linux/fetch.ts';
import { CONFIGURED, configureInitramfs, FILES, STAGE } from './configure.ts';
import { downloadPackages, PACKAGES, SPARE_PACKAGE } from './packages.ts';

const DISK_SIZE = '700M';
/** Configuration takes three minutes of CPU time; a guest that hangs must not hang its user. */
const CONFIGURE_TIMEOUT_MS = 3_600_000;

/** The system: `disk` belongs to the cache and must stay as it is (`snapshot`, an overlay, a copy). Root has no password. */
export type ObtainedDebian =
  | { readonly ok: true; readonly disk: string; readonly kernel: string; readonly initrd: string }
  | { readonly ok: false; readonly reason: string };

interface ObtainOptions {
  readonly cache?: string;
  /** Never build: what is cached, or a reason. */
  readonly offline?: boolean;
}

type Progress = (line: string) => void;

/** Changes when the recipe does; a cached system of another recipe is built anew. */
const RECIPE = createHash('sha256')
  .update(JSON.stringify([DISK_SIZE, PACKAGES, SPARE_PACKAGE, FILES, STAGE]))
  .update(readFileSync(join(import.meta.dirname, 'unpack.ts')))
  .digest('hex');

/** The first stage: the packages on an ext4 image. */
async function unpack(work: string, image: string): Promise<void> {
  const root = join(work, 'root');
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  mkdirSync(join(root, 'root'), { mode: 0o700 });
  copyFileSync(join(work, 'spare.deb'), join(root, 'root/spare.deb'));
  const program = [process.execPath, join(import.meta.dirname, 'unpack.ts'), join(work, 'debs'), root, image, DISK_SIZE];
  const [command, ...args] = process.getuid?.() === 0 ? program : ['fakeroot', ...program];
  const unpacked = await run(command as string, args, work);
  if (unpacked.status !== 0) throw new FetchError(`the packages could not be unpacked: ${complaint(unpacked)}`);
  rmSync(root, { recursive: true });
}

/** Runs the guest; what it said. */
function runGuest(args: readonly string[], eachLine: Progress): Promise<string> {
  const lucid = join(import.meta.dirname, '../../vmm/cli/lucid.ts');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [lucid, 'run', ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: CONFIGURE_TIMEOUT_MS });
    let text = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      const lines = (text.slice(text.lastIndexOf('\n') + 1) + part).split('\n').slice(0, -1);
      text += part;
      for (const line of lines) eachLine(line);
    });
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      errors += part;
    });
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0 && text.includes(CONFIGURED)) resolve(text);
      else
        reject(new FetchError(`the guest that configures Debian failed (status ${status}): ${errors.trim() || text.slice(-300).trim()}`));
    });
  });
}

/** The second stage: `dpkg --configure -a` in a guest. */
async function configure(work: string, image: string, count: number, progress: Progress): Promise<void> {
  const linux = await obtainLinux(progress);
  if (!linux.ok) throw new FetchError(linux.reason);
  const modules = MODULES.map((name) => ({ name, bytes: readFileSync(join(linux.modules, `${name}.ko`)) }));
  const initrd = join(work, 'configure.cpio');
  writeFileSync(initrd, configureInitramfs(readFileSync(join(linux.modules, '../busybox')), modules));
  let done = 0;
  const machine = ['--memory', '512M', '--disk', image, '--kernel', linux.vmlinuz, '--initrd', initrd, '--no-exits'];
  await runGuest([...machine, '--append', 'console=ttyS0 cryptomgr.notests quiet'], (line) => {
    const name = /^Setting up (\S+)/.exec(line)?.[1];
    if (name !== undefined) progress(`configuring Debian in a guest, some minutes: ${++done} of ${count}, ${name}`);
  });
}

/** Copies what the packages' scripts made of /boot's `name` out of the image. */
async function dump(image: string, name: string, out: string, work: string): Promise<void> {
  const dumped = await run('debugfs', ['-R', `dump ${name} ${out}`, image], work);
  if (!existsSync(out) || statSync(out).size === 0) throw new FetchError(`the system has no ${name}: ${complaint(dumped)}`);
}

async function build(work: string, ready: string, progress: Progress): Promise<void> {
  const debs = join(work, 'debs');
  await downloadPackages(work, debs, progress);
  mkdirSync(ready);
  const image = join(ready, 'disk.img');
  const names = readdirSync(debs);
  progress(`unpacking ${names.length} packages`);
  await unpack(work, image);
  await configure(work, image, names.length, progress);
  const version = names.map((name) => /^linux-image-(\d[^_]*)_/.exec(name)?.[1]).find((found) => found !== undefined);
  await dump(image, `/boot/vmlinuz-${version}`, join(ready, 'vmlinuz'), work);
  await dump(image, `/boot/initrd.img-${version}`, join(ready, 'initrd.img'), work);
  writeFileSync(join(ready, 'manifest.json'), `${JSON.stringify({ recipe: RECIPE, packages: names.sort() }, null, 2)}\n`);
}

function isComplete(folder: string): boolean {
  try {
    return (JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as { recipe: string }).recipe === RECIPE;
  } catch {
    // Anything unreadable is the same as nothing cached.
    return false;
  }
}

async function obtain(cache: string, offline: boolean, progress: Progress): Promise<ObtainedDebian> {
  const target = join(cache, 'debian');
  if (!isComplete(target)) {
    if (offline) throw new FetchError(`no Debian system in ${target}; \`node images/debian/build.ts\` makes it in some minutes`);
    makeFolder(cache);
    sweep(cache, 'debian-', 2 * CONFIGURE_TIMEOUT_MS);
    const work = mkdtempSync(join(cache, 'debian-'));
    try {
      await build(work, join(work, 'ready'), progress);
      // Another process may have been quicker, then its system stays.
      if (!isComplete(target)) {
        rmSync(target, { recursive: true, force: true });
        renameSync(join(work, 'ready'), target);
      }
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return { ok: true, disk: join(target, 'disk.img'), kernel: join(target, 'vmlinuz'), initrd: join(target, 'initrd.img') };
}

/** The system, from the cache or built now. Never throws for what the user can act upon: that is the reason, one line. */
export async function obtainDebian(progress: Progress = () => {}, options: ObtainOptions = {}): Promise<ObtainedDebian> {
  try {
    return await obtain(options.cache ?? cacheFolder(), options.offline ?? false, progress);
  } catch (error) {
    if (error instanceof FetchError) return { ok: false, reason: error.message };
    throw error;
  }
}
