/**
 * The packages of a small Debian with systemd: what is essential and required, and what makes it a machine; downloaded with all they need.
 *
 * @module
 */
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { aptOptions, complaint, FetchError, NO_SANDBOX, packageSource, run } from '../apt.ts';

export const KERNEL_PACKAGE = 'linux-image-cloud-amd64';

/** Patterns of apt-patterns(7), and names. */
export const PACKAGES: readonly string[] = [
  '?essential',
  '?priority(required)',
  // One of two that others accept; the other one converts a file system that is not merged, with Perl.
  'usr-is-merged',
  'apt',
  'systemd-sysv',
  'udev',
  'kmod',
  'iproute2',
  'iputils-ping',
  'netcat-openbsd',
  'initramfs-tools',
  'zstd',
  KERNEL_PACKAGE,
];

/** Stands in the new system as a file, for whoever wants to install something. */
export const SPARE_PACKAGE = 'hello';

/** Fills the new folder `debs` with the packages, and `spare.deb` beside it. */
export async function downloadPackages(work: string, debs: string, progress: (line: string) => void): Promise<void> {
  const { apt } = await packageSource(KERNEL_PACKAGE, work, progress);
  mkdirSync(join(debs, 'partial'), { recursive: true });
  // Without a list of what is installed here, everything is new.
  const options = aptOptions({ 'Dir::State::status': '/dev/null', 'Dir::Cache::archives': debs, 'Debug::NoLocking': '1', ...NO_SANDBOX });
  progress('downloading the packages of Debian');
  const download = await run(
    'apt-get',
    [...apt, ...options, '-q', '-y', '--no-install-recommends', '--download-only', 'install', ...PACKAGES],
    work,
  );
  if (download.status !== 0) throw new FetchError(`apt-get --download-only failed: ${complaint(download)}`);
  rmSync(join(debs, 'partial'), { recursive: true });
  rmSync(join(debs, 'lock'), { force: true });
  const spare = join(work, 'spare');
  mkdirSync(spare);
  const one = await run('apt-get', [...apt, ...aptOptions(NO_SANDBOX), '-q', 'download', SPARE_PACKAGE], spare);
  const deb = readdirSync(spare).find((name) => name.endsWith('.deb'));
  if (one.status !== 0 || deb === undefined) throw new FetchError(`apt-get download ${SPARE_PACKAGE} failed: ${complaint(one)}`);
  renameSync(join(spare, deb), join(work, 'spare.deb'));
}
