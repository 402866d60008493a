/**
 * The reference guest: Debian's cloud kernel and static busybox, by `apt-get download`, without root, kept in the user's cache folder.
 *
 * `linux-image-cloud-amd64` is a metapackage; the kernel is what it depends on. The finished folder is renamed into place, so another process sees all of it or nothing.
 *
 * Leaves out: other distributions, verification beyond apt's own signatures, updating (remove the folder to get the newest kernel).
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cacheFolder, FetchError, makeFolder, packageSource, sweep, unpackPackage } from '../apt.ts';
import { bootOkInitramfs, INIT, RECIPE } from './initramfs.ts';

const META_PACKAGE = 'linux-image-cloud-amd64';
const BUSYBOX_PACKAGE = 'busybox-static';

/** One file of the cache, as the manifest records it. */
interface CachedFile {
  readonly bytes: number;
  readonly sha256: string;
}

/** `manifest.json` in the cache folder. */
interface Manifest {
  readonly format: 2;
  readonly kernel: { readonly package: string; readonly version: string };
  readonly busybox: { readonly package: string; readonly version: string };
  readonly files: { readonly vmlinuz: CachedFile; readonly busybox: CachedFile };
  /** Drivers, in `modules`. */
  readonly modules: Readonly<Record<string, CachedFile>>;
}

/** Paths of the reference guest's files; `version` is the kernel package's version. */
export type Obtained =
  | {
      readonly ok: true;
      readonly vmlinuz: string;
      readonly initramfs: string;
      readonly modules: string;
      readonly version: string;
      readonly fromCache: boolean;
    }
  | { readonly ok: false; readonly reason: string };

export interface ObtainOptions {
  /** The folder to keep the guest in; the user's cache folder by default. */
  readonly cache?: string;
  /** Never start apt: what is cached, or a reason. */
  readonly offline?: boolean;
}

function keep(bytes: Uint8Array, path: string): CachedFile {
  writeFileSync(path, bytes);
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

function kernelFile(root: string): Uint8Array {
  const boot = join(root, 'boot');
  const name = existsSync(boot) ? readdirSync(boot).find((entry) => entry.startsWith('vmlinuz')) : undefined;
  if (name === undefined) throw new FetchError('the kernel package holds no /boot/vmlinuz*');
  return readFileSync(join(boot, name));
}

/** The drivers of our devices, which this kernel has as modules; each stands behind those it needs. */
export const MODULES: readonly string[] = [
  'virtio_ring',
  'virtio',
  'virtio_pci_legacy_dev',
  'virtio_pci_modern_dev',
  'virtio_pci',
  'virtio_blk',
  'virtio-rng',
];

/** Those of a NIC, to be loaded behind MODULES. */
export const NET_MODULES: readonly string[] = ['failover', 'net_failover', 'virtio_net'];

/** Those of IDE disks and CDs, with the file system of CDs. */
export const IDE_MODULES: readonly string[] = ['scsi_common', 'scsi_mod', 'libata', 'ata_piix', 'sd_mod', 'cdrom', 'sr_mod', 'isofs'];

/** Everything that is kept. */
export const KEPT: readonly string[] = [...MODULES, ...NET_MODULES, ...IDE_MODULES, 'virtio_mmio', 'virtio_console'];

function keepModules(root: string, folder: string): Record<string, CachedFile> {
  const lib = join(root, existsSync(join(root, 'lib/modules')) ? 'lib/modules' : 'usr/lib/modules');
  const files = new Map(readdirSync(lib, { recursive: true }).map((path) => [basename(String(path)), join(lib, String(path))]));
  mkdirSync(folder);
  return Object.fromEntries(
    KEPT.map((name) => {
      const path = files.get(`${name}.ko`);
      if (path === undefined) throw new FetchError(`the kernel package holds no ${name}.ko`);
      return [name, keep(readFileSync(path), join(folder, `${name}.ko`))];
    }),
  );
}

function busyboxFile(root: string): Uint8Array {
  const path = ['bin/busybox', 'usr/bin/busybox'].map((p) => join(root, p)).find((p) => existsSync(p));
  if (path === undefined) throw new FetchError('the busybox package holds no /bin/busybox');
  return readFileSync(path);
}

/** Fills a new folder `ready` with kernel, busybox and manifest. */
async function download(work: string, ready: string, progress: (line: string) => void): Promise<Manifest> {
  const { apt, package: kernel } = await packageSource(META_PACKAGE, work, progress);
  progress(`downloading ${kernel}`);
  const kernelPackageFiles = await unpackPackage(kernel, apt, work);
  progress(`downloading ${BUSYBOX_PACKAGE}`);
  const busyboxPackageFiles = await unpackPackage(BUSYBOX_PACKAGE, apt, work);
  mkdirSync(ready);
  const manifest: Manifest = {
    format: 2,
    kernel: { package: kernel, version: kernelPackageFiles.version },
    busybox: { package: BUSYBOX_PACKAGE, version: busyboxPackageFiles.version },
    files: {
      vmlinuz: keep(kernelFile(kernelPackageFiles.root), join(ready, 'vmlinuz')),
      busybox: keep(busyboxFile(busyboxPackageFiles.root), join(ready, 'busybox')),
    },
    modules: keepModules(kernelPackageFiles.root, join(ready, 'modules')),
  };
  writeFileSync(join(ready, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/** The manifest of a complete cache folder, or undefined: missing, damaged or of another format. */
function readCache(folder: string): Manifest | undefined {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;
    const complete = (['vmlinuz', 'busybox'] as const).every((name) => statSync(join(folder, name)).size === manifest.files[name].bytes);
    // One that an earlier version filled may lack drivers; one that has more will do.
    const drivers = KEPT.every((name) => statSync(join(folder, 'modules', `${name}.ko`)).size === manifest.modules[name]?.bytes);
    return manifest.format === 2 && complete && drivers ? manifest : undefined;
  } catch {
    // Anything unreadable is the same as nothing cached.
    return undefined;
  }
}

/** The initramfs of this version's recipe, built once; its name carries the recipe's hash. */
function initramfsPath(folder: string): string {
  const recipe = createHash('sha256').update(`${RECIPE}\n${INIT}`).digest('hex').slice(0, 8);
  const path = join(folder, `initramfs-${recipe}.cpio`);
  if (!existsSync(path)) {
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, bootOkInitramfs(readFileSync(join(folder, 'busybox'))));
    renameSync(temporary, path);
  }
  return path;
}

/** Puts the finished folder in its place; another process may have been quicker, then its copy stays. */
function publish(ready: string, target: string): void {
  if (existsSync(target) && readCache(target) === undefined) rmSync(target, { recursive: true, force: true });
  try {
    renameSync(ready, target);
  } catch (error) {
    if (readCache(target) === undefined) throw error;
  }
}

async function obtain(cache: string, offline: boolean, progress: (line: string) => void): Promise<Obtained> {
  const target = join(cache, 'linux');
  const cached = readCache(target);
  if (cached === undefined) {
    if (offline) throw new FetchError(`no reference guest in ${target}; run \`npm start\` once with a network`);
    makeFolder(cache);
    sweep(cache);
    const work = mkdtempSync(join(cache, 'fetch-'));
    try {
      await download(work, join(work, 'ready'), progress);
      publish(join(work, 'ready'), target);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  const manifest = cached ?? readCache(target);
  if (manifest === undefined) throw new FetchError(`${target} was changed while it was filled; try again`);
  return {
    ok: true,
    vmlinuz: join(target, 'vmlinuz'),
    initramfs: initramfsPath(target),
    modules: join(target, 'modules'),
    version: manifest.kernel.version,
    fromCache: cached !== undefined,
  };
}

/**
 * The reference guest's kernel and initramfs, from the cache or from the distribution. Never throws: what stands in the way (no apt, no network,
 * no room) is the reason, one line that says what to do.
 */
export async function obtainLinux(progress: (line: string) => void = () => {}, options: ObtainOptions = {}): Promise<Obtained> {
  const cache = options.cache ?? cacheFolder();
  try {
    return await obtain(cache, options.offline ?? false, progress);
  } catch (error) {
    if (error instanceof FetchError) return { ok: false, reason: error.message };
    const what = error instanceof Error ? error.message : String(error);
    return { ok: false, reason: `the cache folder ${cache} cannot be used (${what}); set XDG_CACHE_HOME to a folder that can be written` };
  }
}
