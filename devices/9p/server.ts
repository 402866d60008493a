/**
 * A 9P2000.L server of one tree of files: fids, and what each request does.
 *
 * Specification: intro(5) to walk(5) of the Plan 9 manual, and 9P2000.L as Linux speaks it (see messages.ts). All requests are answered at once, one after the
 * other, so a flush has nothing to wait for. Locks are granted without being kept: there is one guest. Extended attributes are answered with EOPNOTSUPP,
 * device nodes and authentication with EPERM and ENOENT, everything that changes something with EROFS unless the share is writable.
 *
 * A guest is hostile: whatever comes gets an answer or an error, a request touches at most `FIDS_MAX` fids, and an answer is never longer than
 * what was negotiated or than the room that the guest gave.
 *
 * Saved are the fids, by path and by how they are open. Restored, each is walked to again; one whose file is gone answers ESTALE.
 *
 * @module
 */
import type { DeviceState, Saveable } from '../../vmm/bus.ts';
import { StateError } from '../../vmm/bus.ts';
import { savedFlag, savedInt } from '../saved.ts';
import { ERRNO, ERROR_BYTES, FieldReader, FieldWriter, NAME_MAX, NO_FID, QID_DIRECTORY, QID_LINK, ShareError, T } from './messages.ts';
import type { Changes, Kind, OpenFile, OpenMode, Place, Stat } from './tree.ts';

/** The longest message that is offered. */
export const MSIZE_MAX = 512 * 1024;
/** Before a version is agreed on. */
const MSIZE_FIRST = 8192;
const MSIZE_MIN = 4096;
/** Fids that may exist at once; each costs descriptors of the host. */
const FIDS_MAX = 1024;
const WALK_MAX = 16;
const VERSION = '9P2000.L';

// Flags of lopen and lcreate: Linux's of open(2).
const ACCESS = 3;
const WRITE_ONLY = 1;
const READ_WRITE = 2;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
const AT_REMOVEDIR = 0x200;
/** Of what getattr tells: everything but birth time, generation and data version. */
const GETATTR_BASIC = 0x7ff;
const SETATTR = { mode: 1, uid: 2, gid: 4, size: 8, atime: 16, mtime: 32, atimeSet: 128, mtimeSet: 256 } as const;
const F_UNLCK = 2;
/** Directory entry types of readdir(3). */
const DT: Readonly<Record<Kind, number>> = { directory: 4, file: 8, link: 10, other: 0 };
/** What a file system says that is no longer there. */
const GONE: readonly number[] = [ERRNO.EIO, ERRNO.ESTALE, ERRNO.ENOTCONN, ERRNO.ENODEV];

interface Fid {
  /** Undefined: it was restored and is gone. */
  place: Place | undefined;
  mode: OpenMode | undefined;
  file: OpenFile | undefined;
  /** Names of a directory that is being read. */
  names: readonly Uint8Array[] | undefined;
}

export interface NinePOptions {
  readonly root: Place;
  readonly writable: boolean;
  /** The host's directory does not answer as it should; told once. */
  readonly failed?: (reason: string) => void;
}

type Handler = (request: FieldReader, answer: FieldWriter) => void;

export class NinePServer implements Saveable {
  private readonly root: Place;
  private readonly writable: boolean;
  private readonly failed: ((reason: string) => void) | undefined;
  private readonly fids = new Map<number, Fid>();
  private readonly answer = new FieldWriter();
  private readonly handlers: Readonly<Record<number, Handler>>;
  private told = false;
  msize = MSIZE_FIRST;

  constructor({ root, writable, failed }: NinePOptions) {
    this.root = root;
    this.writable = writable;
    this.failed = failed;
    this.handlers = this.makeHandlers();
  }

  private makeHandlers(): Readonly<Record<number, Handler>> {
    const refuse = (errno: number): Handler => {
      return () => {
        throw new ShareError(errno);
      };
    };
    const changing = (work: Handler): Handler => (this.writable ? work : refuse(ERRNO.EROFS));
    return {
      [T.version]: (r, a) => this.version(r, a),
      [T.auth]: refuse(ERRNO.ENOENT),
      [T.attach]: (r, a) => this.attach(r, a),
      [T.flush]: () => {},
      [T.walk]: (r, a) => this.walk(r, a),
      [T.clunk]: (r) => this.forget(r.u32()),
      [T.remove]: (r) => this.remove(r),
      [T.statfs]: (r, a) => this.statfs(r, a),
      [T.getattr]: (r, a) => this.getattr(r, a),
      [T.setattr]: changing((r) => this.setattr(r)),
      [T.readlink]: (r, a) => a.string(this.place(r.u32()).target()),
      [T.lopen]: (r, a) => this.lopen(r, a),
      [T.lcreate]: changing((r, a) => this.lcreate(r, a)),
      [T.read]: (r, a) => this.read(r, a),
      [T.write]: changing((r, a) => this.write(r, a)),
      [T.readdir]: (r, a) => this.readdir(r, a),
      [T.fsync]: (r) => this.fsync(r),
      [T.symlink]: changing((r, a) => {
        const [directory, name, target] = [this.place(r.u32()), nameOf(r), r.string()];
        directory.makeLink(name, target);
        this.qidOfEntry(a, directory, name);
      }),
      [T.mkdir]: changing((r, a) => {
        const [directory, name, mode] = [this.place(r.u32()), nameOf(r), r.u32()];
        directory.makeDirectory(name, mode);
        this.qidOfEntry(a, directory, name);
      }),
      [T.mknod]: refuse(ERRNO.EPERM),
      [T.link]: changing((r) => {
        const [directory, other, name] = [this.place(r.u32()), this.place(r.u32()), nameOf(r)];
        directory.join(name, other);
      }),
      [T.rename]: changing((r) => {
        const [place, directory, name] = [this.place(r.u32()), this.place(r.u32()), nameOf(r)];
        place.move(directory, name);
      }),
      [T.renameat]: changing((r) => {
        const [from, name, to, newName] = [this.place(r.u32()), nameOf(r), this.place(r.u32()), nameOf(r)];
        from.rename(name, to, newName);
      }),
      [T.unlinkat]: changing((r) => {
        const [directory, name, flags] = [this.place(r.u32()), nameOf(r), r.u32()];
        directory.unlink(name, (flags & AT_REMOVEDIR) !== 0);
      }),
      [T.lock]: (r, a) => {
        this.place(r.u32());
        a.u8(0);
      },
      [T.getlock]: (r, a) => this.getlock(r, a),
      [T.xattrwalk]: refuse(ERRNO.EOPNOTSUPP),
      [T.xattrcreate]: refuse(ERRNO.EOPNOTSUPP),
    };
  }

  /** Answers a request, in at most `room` bytes (11 or more). The answer's bytes are good until the next request. */
  handle(request: Uint8Array, room: number): Uint8Array {
    const reader = new FieldReader(request);
    const { answer } = this;
    answer.begin(Math.max(ERROR_BYTES, Math.min(room, this.msize)));
    let tag = 0xffff;
    try {
      const size = reader.u32();
      const type = reader.u8();
      tag = reader.u16();
      if (size !== request.length) throw new ShareError(ERRNO.EPROTO);
      const handler = this.handlers[type];
      if (handler === undefined) throw new ShareError(ERRNO.EOPNOTSUPP);
      handler(reader, answer);
      return answer.end(type + 1, tag);
    } catch (error) {
      if (!(error instanceof ShareError)) throw error;
      this.look(error);
      return answer.error(error.errno, tag);
    }
  }

  /** Tells when the directory itself is what failed. */
  private look({ errno, message }: ShareError): void {
    if (this.told || this.failed === undefined) return;
    const gone = errno === ERRNO.ENOENT && this.rootIsGone();
    if (!gone && !GONE.includes(errno)) return;
    this.told = true;
    this.failed(gone ? 'the directory is gone' : message);
  }

  private rootIsGone(): boolean {
    try {
      return this.root.stat().nlink === 0n;
    } catch {
      return true;
    }
  }

  private fid(number: number): Fid {
    const fid = this.fids.get(number);
    if (fid === undefined) throw new ShareError(ERRNO.EBADF);
    return fid;
  }

  private place(number: number): Place {
    const { place } = this.fid(number);
    if (place === undefined) throw new ShareError(ERRNO.ESTALE);
    return place;
  }

  /** A new fid for a place that is held for it. */
  private add(number: number, place: Place): void {
    if (number === NO_FID || this.fids.has(number) || this.fids.size >= FIDS_MAX) {
      place.release();
      throw new ShareError(this.fids.size >= FIDS_MAX ? ERRNO.ENFILE : ERRNO.EINVAL);
    }
    this.fids.set(number, { place, mode: undefined, file: undefined, names: undefined });
  }

  private forget(number: number): void {
    const fid = this.fid(number);
    this.fids.delete(number);
    fid.file?.close();
    fid.place?.release();
  }

  /** Everything is given back. */
  reset(): void {
    for (const number of [...this.fids.keys()]) this.forget(number);
    this.msize = MSIZE_FIRST;
  }

  /** The last of it. */
  close(): void {
    this.reset();
    this.root.release();
  }

  private version(r: FieldReader, a: FieldWriter): void {
    const [msize, version] = [r.u32(), new TextDecoder().decode(r.string())];
    if (msize < MSIZE_MIN) throw new ShareError(ERRNO.EINVAL);
    this.reset();
    this.msize = Math.min(msize, MSIZE_MAX);
    a.u32(this.msize);
    a.string(new TextEncoder().encode(version.startsWith(VERSION) ? VERSION : 'unknown'));
  }

  private attach(r: FieldReader, a: FieldWriter): void {
    const fid = r.u32();
    this.add(fid, this.root.hold());
    this.qid(a, this.root.stat(), this.root.kind);
  }

  private walk(r: FieldReader, a: FieldWriter): void {
    const [number, newNumber, count] = [r.u32(), r.u32(), r.u16()];
    if (count > WALK_MAX) throw new ShareError(ERRNO.EINVAL);
    if (a.room < 2 + QID_BYTES * count) throw new ShareError(ERRNO.EPROTO);
    let place = this.place(number).hold();
    let walked = 0;
    a.u16(0);
    try {
      for (; walked < count; walked++) {
        const name = r.string();
        const next = isUp(name) ? place.up() : place.child(checked(name));
        place.release();
        place = next;
        this.qid(a, place.stat(), place.kind);
      }
    } catch (error) {
      place.release();
      // Those that were found are told, when there is one (walk(5)).
      if (walked === 0 || !(error instanceof ShareError)) throw error;
      a.patch16(2 + QID_BYTES * walked, walked);
      return;
    }
    a.patch16(2 + QID_BYTES * walked, walked);
    if (newNumber === number) this.forget(number);
    this.add(newNumber, place);
  }

  private qid(a: FieldWriter, stat: Stat, kind: Kind): void {
    a.u8(kind === 'directory' ? QID_DIRECTORY : kind === 'link' ? QID_LINK : 0);
    a.u32(Number((stat.mtimeNs ^ (stat.size << 8n)) & 0xffff_ffffn));
    // Two file systems below the root may have the same inode numbers.
    a.u64(stat.ino ^ (stat.dev << 48n));
  }

  private qidOfEntry(a: FieldWriter, directory: Place, name: Uint8Array): void {
    const found = directory.statOf(name);
    if (found === undefined) throw new ShareError(ERRNO.ENOENT);
    this.qid(a, found.stat, found.kind);
  }

  private statfs(r: FieldReader, a: FieldWriter): void {
    const { type, bsize, blocks, bfree, bavail, files, ffree } = this.place(r.u32()).statfs();
    a.u32(type);
    a.u32(bsize);
    for (const number of [blocks, bfree, bavail, files, ffree, 0]) a.u64(number);
    a.u32(NAME_MAX);
  }

  private getattr(r: FieldReader, a: FieldWriter): void {
    const place = this.place(r.u32());
    const stat = place.stat();
    a.u64(GETATTR_BASIC);
    this.qid(a, stat, place.kind);
    for (const number of [stat.mode, stat.uid, stat.gid]) a.u32(Number(number));
    for (const number of [stat.nlink, stat.rdev, stat.size, stat.blksize, stat.blocks]) a.u64(number);
    for (const time of [stat.atimeNs, stat.mtimeNs, stat.ctimeNs]) {
      a.u64(time / NANOSECONDS);
      a.u64(time % NANOSECONDS);
    }
    for (let i = 0; i < 4; i++) a.u64(0);
  }

  private setattr(r: FieldReader): void {
    const place = this.place(r.u32());
    const [valid, mode, uid, gid, size] = [r.u32(), r.u32(), r.u32(), r.u32(), r.u64()];
    const [atime, mtime] = [r.u64() + r.u64() / 1e9, r.u64() + r.u64() / 1e9];
    const when = (bit: number, set: number, time: number): number | 'now' | undefined =>
      (valid & bit) === 0 ? undefined : (valid & set) === 0 ? 'now' : time;
    if ((valid & SETATTR.size) !== 0 && size > Number.MAX_SAFE_INTEGER) throw new ShareError(ERRNO.EFBIG);
    if (Math.max(atime, mtime) > TIME_MAX) throw new ShareError(ERRNO.EINVAL);
    const changes: Changes = {
      mode: valid & SETATTR.mode ? mode : undefined,
      uid: valid & SETATTR.uid ? uid : undefined,
      gid: valid & SETATTR.gid ? gid : undefined,
      size: valid & SETATTR.size ? size : undefined,
      atime: when(SETATTR.atime, SETATTR.atimeSet, atime),
      mtime: when(SETATTR.mtime, SETATTR.mtimeSet, mtime),
    };
    place.change(changes);
  }

  private lopen(r: FieldReader, a: FieldWriter): void {
    const [number, flags] = [r.u32(), r.u32()];
    const [fid, place, mode] = [this.fid(number), this.place(number), modeOf(flags)];
    if (fid.mode !== undefined) throw new ShareError(ERRNO.EINVAL);
    if ((mode.write || mode.truncate) && !this.writable) throw new ShareError(ERRNO.EROFS);
    if (place.kind === 'directory') {
      if (mode.write) throw new ShareError(ERRNO.EISDIR);
    } else fid.file = place.open(mode);
    fid.mode = mode;
    this.qid(a, place.stat(), place.kind);
    a.u32(0);
  }

  private lcreate(r: FieldReader, a: FieldWriter): void {
    const number = r.u32();
    const [fid, directory] = [this.fid(number), this.place(number)];
    const [name, flags, permissions] = [nameOf(r), r.u32(), r.u32()];
    if (fid.mode !== undefined) throw new ShareError(ERRNO.EINVAL);
    const mode = modeOf(flags);
    const { file, place } = this.created(directory, name, permissions, mode, (flags & O_EXCL) !== 0);
    directory.release();
    Object.assign(fid, { place, file, mode });
    this.qid(a, place.stat(), place.kind);
    a.u32(0);
  }

  /** A new file, or the one that is there when it may be. */
  private created(
    directory: Place,
    name: Uint8Array,
    permissions: number,
    mode: OpenMode,
    exclusive: boolean,
  ): { file: OpenFile; place: Place } {
    let file: OpenFile | undefined;
    try {
      file = directory.create(name, permissions, mode);
    } catch (error) {
      if (exclusive || !(error instanceof ShareError) || error.errno !== ERRNO.EEXIST) throw error;
    }
    let place: Place | undefined;
    try {
      place = directory.child(name);
      return { file: file ?? place.open(mode), place };
    } catch (error) {
      file?.close();
      place?.release();
      throw error;
    }
  }

  /** An open file, as far as it may be read or written. */
  private file(number: number, way: 'read' | 'write'): OpenFile {
    const { file, mode } = this.fid(number);
    if (file === undefined || mode?.[way] !== true) throw new ShareError(ERRNO.EBADF);
    return file;
  }

  private read(r: FieldReader, a: FieldWriter): void {
    const [file, offset, count] = [this.file(r.u32(), 'read'), r.u64(), r.u32()];
    if (offset > Number.MAX_SAFE_INTEGER) throw new ShareError(ERRNO.EINVAL);
    const wanted = Math.max(0, Math.min(count, a.room - 4));
    a.u32(0);
    const got = file.read(a.space(wanted), offset);
    a.patch(4 + wanted, got);
    a.shorten(wanted - got);
  }

  private write(r: FieldReader, a: FieldWriter): void {
    const [file, offset, count] = [this.file(r.u32(), 'write'), r.u64(), r.u32()];
    if (offset > Number.MAX_SAFE_INTEGER) throw new ShareError(ERRNO.EFBIG);
    a.u32(file.write(r.take(count), offset));
  }

  /** Entries from position `offset` on; a position is the number of entries before. */
  private readdir(r: FieldReader, a: FieldWriter): void {
    const number = r.u32();
    const [fid, place] = [this.fid(number), this.place(number)];
    const [offset, count] = [r.u64(), r.u32()];
    if (fid.mode === undefined) throw new ShareError(ERRNO.EBADF);
    if (offset === 0 || fid.names === undefined) fid.names = [DOT, DOT_DOT, ...place.list()];
    const { names } = fid;
    const end = Math.min(count, a.room - 4);
    let used = 0;
    a.u32(0);
    for (let i = offset; i < names.length; i++) {
      const name = names[i] as Uint8Array;
      if (used + ENTRY_BYTES + name.length > end) break;
      const found = i > 1 ? place.statOf(name) : { stat: place.stat(), kind: 'directory' as const };
      if (found === undefined) continue;
      this.qid(a, found.stat, found.kind);
      a.u64(i + 1);
      a.u8(DT[found.kind]);
      a.string(name);
      used += ENTRY_BYTES + name.length;
    }
    a.patch(4 + used, used);
  }

  private fsync(r: FieldReader): void {
    const number = r.u32();
    const dataOnly = r.left >= 4 && r.u32() !== 0;
    const [{ file }, place] = [this.fid(number), this.place(number)];
    if (file !== undefined) file.sync(dataOnly);
    else if (place.kind === 'directory') place.sync();
  }

  private getlock(r: FieldReader, a: FieldWriter): void {
    this.place(r.u32());
    r.u8();
    const [start, length, process, client] = [r.take(8), r.take(8), r.u32(), r.string()];
    a.u8(F_UNLCK);
    a.space(8).set(start);
    a.space(8).set(length);
    a.u32(process);
    a.string(client);
  }

  /** Takes a file away; the fid is gone whatever becomes of that (remove(5)). */
  private remove(r: FieldReader): void {
    const number = r.u32();
    this.fid(number);
    try {
      if (!this.writable) throw new ShareError(ERRNO.EROFS);
      this.place(number).remove();
    } finally {
      this.forget(number);
    }
  }

  save(): DeviceState {
    const fids = [...this.fids].map(([number, { place, mode }]) => ({
      number,
      path: place?.path()?.map((name) => Buffer.from(name).toString('latin1')) ?? null,
      mode: mode === undefined ? null : { ...mode },
    }));
    return { msize: this.msize, fids };
  }

  restore(state: DeviceState): void {
    const msize = savedInt(state, 'msize', MSIZE_MIN, MSIZE_MAX);
    const { fids } = state as { fids?: unknown };
    if (!Array.isArray(fids) || fids.length > FIDS_MAX) throw new StateError(`fids: at most ${FIDS_MAX} parts expected`);
    const restored = fids.map((saved) => savedFid((saved ?? {}) as DeviceState));
    this.reset();
    this.msize = msize;
    for (const { number, path, mode } of restored) this.fids.set(number, this.reopened(path, mode));
  }

  private reopened(path: readonly Uint8Array[] | undefined, mode: OpenMode | undefined): Fid {
    const fid: Fid = { place: undefined, mode, file: undefined, names: undefined };
    if (path === undefined) return fid;
    let place = this.root.hold();
    try {
      for (const name of path) {
        const next = place.child(checked(name));
        place.release();
        place = next;
      }
      if (mode !== undefined && place.kind !== 'directory') fid.file = place.open({ ...mode, truncate: false });
      fid.place = place;
    } catch (error) {
      place.release();
      if (!(error instanceof ShareError)) throw error;
    }
    return fid;
  }
}

const NANOSECONDS = 1_000_000_000n;
/** Seconds beyond which no file system keeps times. */
const TIME_MAX = 2 ** 34;
const QID_BYTES = 13;
/** qid[13] offset[8] type[1] and the length of the name. */
const ENTRY_BYTES = 24;
const DOT = Uint8Array.of(0x2e);
const DOT_DOT = Uint8Array.of(0x2e, 0x2e);

function isUp(name: Uint8Array): boolean {
  return name.length === 2 && name[0] === 0x2e && name[1] === 0x2e;
}

/** A name that is one component and goes nowhere else. Throws ShareError. */
function checked(name: Uint8Array): Uint8Array {
  if (name.length > NAME_MAX) throw new ShareError(ERRNO.ENAMETOOLONG);
  const bad = name.length === 0 || isUp(name) || (name.length === 1 && name[0] === 0x2e) || name.includes(0x2f) || name.includes(0);
  if (bad) throw new ShareError(ERRNO.EINVAL);
  return name;
}

function nameOf(r: FieldReader): Uint8Array {
  return checked(r.string());
}

function modeOf(flags: number): OpenMode {
  const access = flags & ACCESS;
  return { read: access !== WRITE_ONLY, write: access === WRITE_ONLY || access === READ_WRITE, truncate: (flags & O_TRUNC) !== 0 };
}

function savedFid(saved: DeviceState): { number: number; path: readonly Uint8Array[] | undefined; mode: OpenMode | undefined } {
  const number = savedInt(saved, 'number', 0, NO_FID - 1);
  const { path, mode } = saved as { path?: unknown; mode?: unknown };
  const names = path === null || (Array.isArray(path) && path.every((name) => typeof name === 'string'));
  if (!names || typeof mode !== 'object') throw new StateError('fids: path and mode expected');
  const m = mode as DeviceState | null;
  return {
    number,
    path: path === null ? undefined : (path as string[]).map((name) => Buffer.from(name, 'latin1')),
    mode: m === null ? undefined : { read: savedFlag(m, 'read'), write: savedFlag(m, 'write'), truncate: savedFlag(m, 'truncate') },
  };
}
