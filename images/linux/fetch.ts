/**
 * The reference guest: Debian's cloud kernel and static busybox, by `apt-get download`, without root, kept in the user's cache folder.
 *
 * `linux-image-cloud-amd64` is a metapackage; the kernel is what it depends on. When apt has no package lists (a fresh container), private ones
 * are fetched into the cache with the system's sources. The finished folder is renamed into place, so another process sees all of it or nothing.
 *
 * Leaves out: other distributions, verification beyond apt's own signatures, updating (remove the folder to get the newest kernel).
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { bootOkInitramfs, INIT, RECIPE } from './initramfs.ts';

const META_PACKAGE = 'linux-image-cloud-amd64';
const BUSYBOX_PACKAGE = 'busybox-static';
/** apt with a slow mirror; a hung one must not hang `npm start`. */
const COMMAND_TIMEOUT_MS = 180_000;

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

/** Something the user can act upon; becomes the reason. */
class FetchError extends Error {
  override readonly name = 'FetchError';
}

/** Lucid's folder in the user's cache folder (XDG Base Directory Specification). */
export function cacheFolder(): string {
  const xdg = process.env['XDG_CACHE_HOME'];
  // The specification: a relative path in the variable is to be ignored.
  return join(xdg?.startsWith('/') ? xdg : join(homedir(), '.cache'), 'lucid');
}

interface Output {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, args: readonly string[], cwd: string): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_TIMEOUT_MS,
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      reject(
        new FetchError(
          error.code === 'ENOENT'
            ? `no ${command} here: the reference guest comes from Debian's packages; use --kernel and --initrd, or --builtin`
            : error.message,
        ),
      );
    });
    child.on('close', (status) => resolve({ status: status ?? -1, stdout, stderr }));
  });
}

/** The line of apt's messages that says most: the first error, without its mark. */
function complaint(output: Output): string {
  const lines = output.stderr.split('\n');
  const line = lines.find((l) => /^E: |^W: Failed/.test(l)) ?? lines.find((l) => l.trim() !== '') ?? `exit status ${output.status}`;
  return line.replace(/^[EW]: /, '').trim();
}

function aptOptions(options: Readonly<Record<string, string>>): string[] {
  return Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
}

/** apt's sandbox user cannot write into a user's folder; as root apt would warn about it. */
const NO_SANDBOX = { 'APT::Sandbox::User': '' };

/** Options that make apt keep its lists and archives below `state`, with the system's sources and keys. */
function privateApt(state: string): string[] {
  return aptOptions({
    'Dir::State': join(state, 'state'),
    'Dir::State::lists': join(state, 'lists'),
    'Dir::State::status': join(state, 'status'),
    'Dir::Cache': join(state, 'cache'),
    'Dir::Log': join(state, 'log'),
    'APT::Architecture': 'amd64',
    ...NO_SANDBOX,
    // Post-update hooks of the system need root and are of no use here.
    'APT::Update::Post-Invoke': '',
    'APT::Update::Post-Invoke-Success': '',
    'Acquire::Languages': 'none',
  });
}

/** The package behind the metapackage, or undefined when apt does not know it. */
async function kernelPackage(apt: readonly string[], cwd: string): Promise<string | undefined> {
  const { stdout } = await run('apt-cache', [...apt, 'depends', META_PACKAGE], cwd);
  return /^\s*Depends:\s*(linux-image-\S+)/m.exec(stdout)?.[1];
}

interface Source {
  /** Options for apt. */
  readonly apt: readonly string[];
  readonly kernel: string;
}

/** Where packages come from: the system's lists when it has them, else lists of our own. */
async function packageSource(work: string, progress: (line: string) => void): Promise<Source> {
  const fromSystem = await kernelPackage([], work);
  if (fromSystem !== undefined) return { apt: [], kernel: fromSystem };
  progress('apt has no package lists; fetching private ones (no root needed)');
  const state = join(work, 'apt');
  for (const folder of ['state', 'lists/partial', 'cache/archives/partial', 'log']) mkdirSync(join(state, folder), { recursive: true });
  writeFileSync(join(state, 'status'), '');
  const apt = privateApt(state);
  const update = await run('apt-get', [...apt, 'update'], work);
  const kernel = await kernelPackage(apt, work);
  if (kernel !== undefined) return { apt, kernel };
  throw new FetchError(
    `apt knows no package ${META_PACKAGE}, nor after an update of its own (${complaint(update)}): ` +
      'check /etc/apt/sources.list* and the network, run `apt-get update` as root, or use --builtin',
  );
}

/** Downloads a package and unpacks it; its version and the folder with its files. */
async function unpackPackage(name: string, apt: readonly string[], work: string): Promise<{ version: string; root: string }> {
  const folder = join(work, name);
  mkdirSync(folder);
  const download = await run('apt-get', [...apt, ...aptOptions(NO_SANDBOX), '-q', 'download', name], folder);
  const deb = readdirSync(folder).find((entry) => entry.endsWith('.deb'));
  if (download.status !== 0 || deb === undefined) {
    throw new FetchError(
      `apt-get download ${name} failed: ${complaint(download)}; when the lists are out of date, run \`apt-get update\` as root`,
    );
  }
  const version = await run('dpkg-deb', ['--field', deb, 'Version'], folder);
  const root = join(folder, 'root');
  const unpacked = await run('dpkg-deb', ['--extract', deb, root], folder);
  if (version.status !== 0 || unpacked.status !== 0) throw new FetchError(`${deb} cannot be unpacked: ${complaint(unpacked)}`);
  return { version: version.stdout.trim(), root };
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

function keepModules(root: string, folder: string): Record<string, CachedFile> {
  const lib = join(root, existsSync(join(root, 'lib/modules')) ? 'lib/modules' : 'usr/lib/modules');
  const files = new Map(readdirSync(lib, { recursive: true }).map((path) => [basename(String(path)), join(lib, String(path))]));
  mkdirSync(folder);
  return Object.fromEntries(
    MODULES.map((name) => {
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
  const { apt, kernel } = await packageSource(work, progress);
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
    const drivers = Object.entries(manifest.modules).every(
      ([name, file]) => statSync(join(folder, 'modules', `${name}.ko`)).size === file.bytes,
    );
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

/** Like mkdirSync's `recursive`, which never returns where a parent cannot be made although its own parent exists (/proc). */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process made it.
    if (!existsSync(path)) throw error;
  }
}

/** Removes what a killed fetch left behind: its folder, when it is older than any fetch can be. */
function sweep(cache: string): void {
  for (const name of readdirSync(cache).filter((entry) => entry.startsWith('fetch-'))) {
    const path = join(cache, name);
    if (Date.now() - statSync(path).mtimeMs > 4 * COMMAND_TIMEOUT_MS) rmSync(path, { recursive: true, force: true });
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
