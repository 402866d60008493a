/**
 * What the 9P server serves: places in a tree of files, held open so that they stay what they are whatever happens to their names.
 *
 * Every method throws ShareError with the number that the guest is to see. Names are bytes, one component of a path: the server has checked
 * that they are not empty, `.`, `..`, and have no slash and no zero.
 *
 * @module
 */

export type Kind = 'file' | 'directory' | 'link' | 'other';

/** stat(2), as 9P tells it. */
export interface Stat {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly rdev: bigint;
  readonly size: bigint;
  readonly blksize: bigint;
  readonly blocks: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

export interface StatFs {
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

/** What setattr changes; times in seconds, `now` for the host's. */
export interface Changes {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly atime?: number | 'now';
  readonly mtime?: number | 'now';
}

/** A file that is open for reading, writing, or both. */
export interface OpenFile {
  read(into: Uint8Array, offset: number): number;
  write(bytes: Uint8Array, offset: number): number;
  sync(dataOnly: boolean): void;
  close(): void;
}

export interface OpenMode {
  readonly read: boolean;
  readonly write: boolean;
  readonly truncate: boolean;
}

export interface Place {
  readonly kind: Kind;
  /** One more who holds it; each has to `release` it once. */
  hold(): Place;
  release(): void;
  /** Names from the root; undefined when they lead there no more. */
  path(): readonly Uint8Array[] | undefined;
  /** Held anew. */
  child(name: Uint8Array): Place;
  /** The directory that it was reached through, held anew; the root is its own. */
  up(): Place;
  stat(): Stat;
  /** Of an entry, without going there; undefined when it is gone. */
  statOf(name: Uint8Array): { readonly stat: Stat; readonly kind: Kind } | undefined;
  list(): readonly Uint8Array[];
  open(mode: OpenMode): OpenFile;
  /** A new file, which must not exist. */
  create(name: Uint8Array, permissions: number, mode: OpenMode): OpenFile;
  makeDirectory(name: Uint8Array, permissions: number): void;
  makeLink(name: Uint8Array, target: Uint8Array): void;
  /** A second name for `other`. */
  join(name: Uint8Array, other: Place): void;
  /** `to` is another place of the same tree. */
  rename(name: Uint8Array, to: Place, newName: Uint8Array): void;
  unlink(name: Uint8Array, directory: boolean): void;
  /** What a symbolic link says. */
  target(): Uint8Array;
  change(changes: Changes): void;
  statfs(): StatFs;
  sync(): void;
  /** Takes this place away, or gives it another name. */
  remove(): void;
  move(to: Place, newName: Uint8Array): void;
}
