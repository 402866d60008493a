/**
 * One directory of the host as a tree that nothing gets out of.
 *
 * A place is an open descriptor (O_PATH), so it stays the file it was however names change. One component at a time is opened below it, as
 * /proc/self/fd/N/NAME with O_NOFOLLOW: the first part names the very directory that is held and is looked up in no path, the last is not followed
 * when it is a symbolic link. So a link is never followed by the host, whoever puts it there and when; links are read, and are the guest's to resolve.
 * `..` is the place that a place was reached through; the root is its own.
 *
 * Only regular files and directories are opened: a FIFO would keep the VM waiting, a device would be the host's. Set-user-id and set-group-id bits are
 * not given to files. What a guest may do to a file is what the user of this process may.
 *
 * Left out: extended attributes, device nodes, locks against other processes. Works on Linux, with /proc.
 *
 * @module
 */
import {
  chmodSync,
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  statfsSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeSync,
  type BigIntStats,
} from 'node:fs';
import { ERRNO, ShareError } from '../9p/messages.ts';
import type { Changes, Kind, OpenFile, OpenMode, Place, Stat, StatFs } from '../9p/tree.ts';

/** open(2): the file's place alone, without access to what is in it. Node has no name for it. */
const O_PATH = 0o10000000;
const { O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK, O_NOCTTY, O_RDONLY, O_WRONLY, O_RDWR, O_TRUNC, O_CREAT, O_EXCL } = constants;
/** Permissions and the sticky bit. */
const MODE_BITS = 0o1777;
/** Places that one share may hold, each a descriptor of this process. */
const PLACES_MAX = 2048;
const DEPTH_MAX = PLACES_MAX;

/** The share cannot be opened: the system's reason, or a sentence. */
export class ShareOpenError extends Error {
  override readonly name = 'ShareOpenError';
}

interface SystemError extends Error {
  readonly code?: string;
  readonly errno?: number;
}

/** Calls the system; its error as the guest's. */
function system<R>(call: () => R): R {
  try {
    return call();
  } catch (error) {
    const { errno, code, message } = error as SystemError;
    if (code === undefined) throw error;
    throw new ShareError(typeof errno === 'number' && errno < 0 && errno > -4096 ? -errno : ERRNO.EIO, message);
  }
}

function kindOf(stat: BigIntStats): Kind {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  return stat.isSymbolicLink() ? 'link' : 'other';
}

function statOf(stat: BigIntStats): Stat {
  const { dev, ino, mode, nlink, uid, gid, rdev, size, blksize, blocks, atimeNs, mtimeNs, ctimeNs } = stat;
  return { dev, ino, mode, nlink, uid, gid, rdev, size, blksize, blocks, atimeNs, mtimeNs, ctimeNs };
}

function flagsOf({ read, write, truncate }: OpenMode): number {
  return (write ? (read ? O_RDWR : O_WRONLY) : O_RDONLY) | (truncate && write ? O_TRUNC : 0) | O_NONBLOCK | O_NOCTTY;
}

class HostFile implements OpenFile {
  private readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  read(into: Uint8Array, offset: number): number {
    return into.length === 0 ? 0 : system(() => readSync(this.fd, into, 0, into.length, offset));
  }

  write(bytes: Uint8Array, offset: number): number {
    return bytes.length === 0 ? 0 : system(() => writeSync(this.fd, bytes, 0, bytes.length, offset));
  }

  sync(dataOnly: boolean): void {
    system(() => (dataOnly ? fdatasyncSync(this.fd) : fsyncSync(this.fd)));
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Places of one share that are held. */
interface Tally {
  held: number;
}

class HostPlace implements Place {
  readonly kind: Kind;
  private readonly fd: number;
  private parent: HostPlace | undefined;
  private name: Uint8Array;
  private holders = 1;
  private readonly tally: Tally;
  /** Those that were reached through this directory and are held. */
  private readonly children = new Set<HostPlace>();

  constructor(fd: number, kind: Kind, parent: HostPlace | undefined, name: Uint8Array, tally: Tally) {
    this.fd = fd;
    this.tally = tally;
    tally.held++;
    this.kind = kind;
    this.parent = parent;
    this.name = name;
    parent?.hold().children.add(this);
  }

  hold(): HostPlace {
    this.holders++;
    return this;
  }

  release(): void {
    if (--this.holders > 0) return;
    closeSync(this.fd);
    this.tally.held--;
    this.parent?.children.delete(this);
    this.parent?.release();
  }

  path(): readonly Uint8Array[] | undefined {
    const names: Uint8Array[] = [];
    let at: HostPlace = this;
    // Directories that somebody else moves about may come to stand in each other here.
    for (; at.parent !== undefined && names.length < DEPTH_MAX; at = at.parent) names.unshift(at.name);
    return at.parent === undefined ? names : undefined;
  }

  /** This place itself, by the descriptor. */
  private get self(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  /** The entry `name` of this directory, not looked up through any path. */
  private entry(name: Uint8Array): Buffer {
    if (this.kind !== 'directory') throw new ShareError(ERRNO.ENOTDIR);
    return Buffer.concat([Buffer.from(`${this.self}/`), name]);
  }

  child(name: Uint8Array): HostPlace {
    const path = this.entry(name);
    if (this.tally.held >= PLACES_MAX) throw new ShareError(ERRNO.ENFILE);
    const fd = system(() => openSync(path, O_PATH | O_NOFOLLOW));
    try {
      return new HostPlace(fd, kindOf(system(() => fstatSync(fd, { bigint: true }))), this, name.slice(), this.tally);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  up(): HostPlace {
    return (this.parent ?? this).hold();
  }

  stat(): Stat {
    return statOf(system(() => fstatSync(this.fd, { bigint: true })));
  }

  statOf(name: Uint8Array): { readonly stat: Stat; readonly kind: Kind } | undefined {
    const found = lstatSync(this.entry(name), { bigint: true, throwIfNoEntry: false });
    return found === undefined ? undefined : { stat: statOf(found), kind: kindOf(found) };
  }

  list(): readonly Uint8Array[] {
    if (this.kind !== 'directory') throw new ShareError(ERRNO.ENOTDIR);
    return system(() => readdirSync(this.self, { encoding: 'buffer' }));
  }

  open(mode: OpenMode): OpenFile {
    if (this.kind === 'directory') throw new ShareError(ERRNO.EISDIR);
    if (this.kind !== 'file') throw new ShareError(ERRNO.EACCES);
    return new HostFile(system(() => openSync(this.self, flagsOf(mode))));
  }

  create(name: Uint8Array, permissions: number, mode: OpenMode): OpenFile {
    const path = this.entry(name);
    return new HostFile(system(() => openSync(path, flagsOf(mode) | O_CREAT | O_EXCL | O_NOFOLLOW, permissions & MODE_BITS)));
  }

  makeDirectory(name: Uint8Array, permissions: number): void {
    const path = this.entry(name);
    system(() => mkdirSync(path, permissions & MODE_BITS));
  }

  makeLink(name: Uint8Array, target: Uint8Array): void {
    const path = this.entry(name);
    system(() => symlinkSync(Buffer.from(target), path));
  }

  join(name: Uint8Array, other: Place): void {
    const path = this.entry(name);
    const from = (other as HostPlace).place();
    system(() => linkSync(from, path));
  }

  rename(name: Uint8Array, to: Place, newName: Uint8Array): void {
    const [from, path] = [this.entry(name), (to as HostPlace).entry(newName)];
    system(() => renameSync(from, path));
    const moved = [...this.children].filter((child) => Buffer.compare(child.name, name) === 0);
    for (const child of moved) child.moveTo(to as HostPlace, newName);
  }

  /** It has another name now, and whoever holds it goes on by that. */
  private moveTo(to: HostPlace, newName: Uint8Array): void {
    const from = this.parent;
    from?.children.delete(this);
    to.hold().children.add(this);
    this.parent = to;
    this.name = newName.slice();
    from?.release();
  }

  unlink(name: Uint8Array, directory: boolean): void {
    const path = this.entry(name);
    system(() => (directory ? rmdirSync(path) : unlinkSync(path)));
  }

  /** Where this place has its name: an entry of the directory it was reached through. */
  private place(): Buffer {
    if (this.parent === undefined) throw new ShareError(ERRNO.EACCES);
    return this.parent.entry(this.name);
  }

  target(): Uint8Array {
    if (this.kind !== 'link') throw new ShareError(ERRNO.EINVAL);
    const path = this.place();
    return system(() => readlinkSync(path, { encoding: 'buffer' }));
  }

  change({ mode, uid, gid, size, atime, mtime }: Changes): void {
    // The path of a descriptor leads to the thing itself, but what a symbolic link would do there is not worth finding out.
    if (this.kind !== 'file' && this.kind !== 'directory') throw new ShareError(ERRNO.EOPNOTSUPP);
    if (size !== undefined && this.kind !== 'file') throw new ShareError(ERRNO.EISDIR);
    const { self } = this;
    system(() => {
      if (uid !== undefined || gid !== undefined) chownSync(self, uid ?? 0xffff_ffff, gid ?? 0xffff_ffff);
      if (mode !== undefined) chmodSync(self, mode & MODE_BITS);
      if (size !== undefined) truncateSync(self, size);
      if (atime === undefined && mtime === undefined) return;
      const now = Date.now() / 1000;
      const old = fstatSync(this.fd);
      const seconds = (time: number | 'now' | undefined, before: number): number => (time === 'now' ? now : (time ?? before / 1000));
      utimesSync(self, seconds(atime, old.atimeMs), seconds(mtime, old.mtimeMs));
    });
  }

  statfs(): StatFs {
    return system(() => statfsSync(this.self));
  }

  sync(): void {
    const fd = system(() => openSync(this.self, O_RDONLY | O_DIRECTORY));
    try {
      system(() => fsyncSync(fd));
    } finally {
      closeSync(fd);
    }
  }

  remove(): void {
    const path = this.place();
    system(() => (this.kind === 'directory' ? rmdirSync(path) : unlinkSync(path)));
  }

  move(to: Place, newName: Uint8Array): void {
    if (this.parent === undefined) throw new ShareError(ERRNO.EACCES);
    this.parent.rename(this.name, to, newName);
  }
}

/** Opens a directory of the host. Throws ShareOpenError. */
export function openShare(path: string): Place {
  let fd: number;
  try {
    // Here, and only here, links are the user's and are followed.
    fd = openSync(path, O_PATH | O_DIRECTORY);
  } catch (error) {
    const { code, message } = error as SystemError;
    const why: Readonly<Record<string, string>> = {
      ENOENT: 'there is no such directory',
      ENOTDIR: 'is not a directory',
      EACCES: 'you may not enter it',
    };
    throw new ShareOpenError(why[code ?? ''] ?? code ?? message);
  }
  try {
    readdirSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    closeSync(fd);
    const { code } = error as SystemError;
    throw new ShareOpenError(code === 'EACCES' ? 'you may not read it' : 'needs Linux with /proc mounted');
  }
  return new HostPlace(fd, 'directory', undefined, new Uint8Array(0), { held: 0 });
}
