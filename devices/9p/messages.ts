/**
 * 9P2000.L on the wire: numbers of messages and errors, and reading and writing their fields, all little-endian.
 *
 * Specification: the Plan 9 manual, section 5 (intro(5): size[4] type[1] tag[2], strings with a 2-byte length), and the 9P2000.L messages as the Linux
 * kernel's client (net/9p, Documentation/filesystems/9p.rst) and diod's protocol.md describe them.
 *
 * @module
 */

/** Requests; each answer is one more. */
export const T = {
  statfs: 8,
  lopen: 12,
  lcreate: 14,
  symlink: 16,
  mknod: 18,
  rename: 20,
  readlink: 22,
  getattr: 24,
  setattr: 26,
  xattrwalk: 30,
  xattrcreate: 32,
  readdir: 40,
  fsync: 50,
  lock: 52,
  getlock: 54,
  link: 70,
  mkdir: 72,
  renameat: 74,
  unlinkat: 76,
  version: 100,
  auth: 102,
  attach: 104,
  flush: 108,
  walk: 110,
  read: 116,
  write: 118,
  clunk: 120,
  remove: 122,
} as const;

export const R_LERROR = 7;
export const NO_FID = 0xffff_ffff;
/** size[4] type[1] tag[2]. */
export const HEADER = 7;
/** What Rlerror takes: the shortest answer that always fits. */
export const ERROR_BYTES = 11;
/** A qid: type[1] version[4] path[8]. */
export const QID_DIRECTORY = 0x80;
export const QID_LINK = 0x02;
export const NAME_MAX = 255;

/** Linux's error numbers, which 9P2000.L speaks in. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  EBADF: 9,
  EACCES: 13,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EFBIG: 27,
  EROFS: 30,
  ENAMETOOLONG: 36,
  ENOTCONN: 107,
  EOPNOTSUPP: 95,
  EPROTO: 71,
  ESTALE: 116,
} as const;

/** What goes wrong with a request: an error number for the guest. */
export class ShareError extends Error {
  override readonly name = 'ShareError';
  readonly errno: number;

  constructor(errno: number, message = `error ${errno}`) {
    super(message);
    this.errno = errno;
  }
}

/** Reads the fields of a request. Throws ShareError when it ends too early. */
export class FieldReader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  private skip(bytes: number): number {
    const at = this.at;
    if (at + bytes > this.bytes.length) throw new ShareError(ERRNO.EPROTO, 'a request ends too early');
    this.at = at + bytes;
    return at;
  }

  u8(): number {
    return this.view.getUint8(this.skip(1));
  }

  u16(): number {
    return this.view.getUint16(this.skip(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.skip(4), true);
  }

  /** 64 bits; beyond 2^53 it is only known to be large. */
  u64(): number {
    const at = this.skip(8);
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 2 ** 32;
  }

  /** Bytes in place: to be used or copied before the next request. */
  take(length: number): Uint8Array {
    const at = this.skip(length);
    return this.bytes.subarray(at, at + length);
  }

  string(): Uint8Array {
    return this.take(this.u16());
  }

  get left(): number {
    return this.bytes.length - this.at;
  }
}

/** Writes an answer into a buffer that is used again and again. Throws ShareError when it does not fit. */
export class FieldWriter {
  private bytes = new Uint8Array(0);
  private view = new DataView(this.bytes.buffer);
  private at = 0;
  private limit = 0;

  /** Starts an answer of at most `limit` bytes. */
  begin(limit: number): void {
    if (this.bytes.length < limit) {
      this.bytes = new Uint8Array(Math.max(limit, 2 * this.bytes.length, 4096));
      this.view = new DataView(this.bytes.buffer);
    }
    this.limit = limit;
    this.at = HEADER;
  }

  get room(): number {
    return this.limit - this.at;
  }

  private skip(bytes: number): number {
    const at = this.at;
    if (at + bytes > this.limit) throw new ShareError(ERRNO.EPROTO, 'no room for the answer');
    this.at = at + bytes;
    return at;
  }

  u8(value: number): void {
    this.view.setUint8(this.skip(1), value);
  }

  u16(value: number): void {
    this.view.setUint16(this.skip(2), value, true);
  }

  u32(value: number): void {
    this.view.setUint32(this.skip(4), value, true);
  }

  u64(value: bigint | number): void {
    const at = this.skip(8);
    if (typeof value === 'bigint') this.view.setBigUint64(at, BigInt.asUintN(64, value), true);
    else {
      this.view.setUint32(at, value % 2 ** 32, true);
      this.view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
    }
  }

  string(bytes: Uint8Array): void {
    this.u16(bytes.length);
    this.bytes.set(bytes, this.skip(bytes.length));
  }

  /** Room for `length` bytes, to be filled at once. */
  space(length: number): Uint8Array {
    const at = this.skip(length);
    return this.bytes.subarray(at, at + length);
  }

  /** Takes back what was written last. */
  shorten(by: number): void {
    this.at -= by;
  }

  /** A number of 32 bits that was written `back` bytes ago. */
  patch(back: number, value: number): void {
    this.view.setUint32(this.at - back, value, true);
  }

  patch16(back: number, value: number): void {
    this.view.setUint16(this.at - back, value, true);
  }

  end(type: number, tag: number): Uint8Array {
    this.view.setUint32(0, this.at, true);
    this.view.setUint8(4, type);
    this.view.setUint16(5, tag, true);
    return this.bytes.subarray(0, this.at);
  }

  error(errno: number, tag: number): Uint8Array {
    this.at = HEADER;
    this.u32(errno);
    return this.end(R_LERROR, tag);
  }
}
