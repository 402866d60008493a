/**
 * A disk as a stream of bytes, to be sent elsewhere: the whole of a snapshot, or what changed from one snapshot to another.
 *
 * Layout, numbers big-endian: 24 bytes of magic; the length of the header (u32), the header (JSON), its SHA-256; then records of kind (u8: 1 data, 2 zeros, 3 end), offset
 * in the disk (u64), length (u32), the data of kind 1, and SHA-256 over all of the record. The last record has the number of the others as its offset, and is followed by
 * SHA-256 over the whole stream before it. A stream is read to its end and found whole before anything of it is written anywhere.
 *
 * @module
 */
import { createHash, type Hash } from 'node:crypto';
import type { ByteFile } from './file.ts';
import { type DiskImage, ImageError } from './image.ts';
import { isZero } from './raw.ts';

const MAGIC = Buffer.from('lucid disk stream, v. 1\n');
const HEADER_MAX = 65536;
const RECORD_MAX = 1048576;
const RECORD_HEAD = 13;
const DIGEST = 32;
const DATA = 1;
const ZEROS = 2;
const END = 3;
const ZEROS_MAX = 2 ** 31;

/** A snapshot as the two sides know it: they are the same when all is the same. */
export interface StreamSnapshot {
  readonly name: string;
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface StreamHeader {
  /** Of the disk, bytes. */
  readonly size: number;
  readonly clusterBits: number;
  /** What is sent; absent where it is a disk and no snapshot. */
  readonly snapshot?: StreamSnapshot;
  /** The snapshot that the other side has; absent where everything is sent. */
  readonly from?: StreamSnapshot;
}

const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** Writes a stream; the bytes of a call are the callee's. */
export class StreamWriter {
  readonly #put: (bytes: Uint8Array) => void;
  readonly #hash: Hash = createHash('sha256');
  #records = 0;

  constructor(header: StreamHeader, put: (bytes: Uint8Array) => void) {
    this.#put = put;
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    this.#out(Buffer.concat([MAGIC, length, text, sha256(text)]));
  }

  #out(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#put(bytes);
  }

  #record(kind: number, offset: number, length: number, data: Uint8Array): void {
    const head = Buffer.alloc(RECORD_HEAD);
    head.writeUInt8(kind);
    head.writeBigUInt64BE(BigInt(offset), 1);
    head.writeUInt32BE(length, 9);
    this.#out(Buffer.concat([head, data, sha256(head, data)]));
    this.#records++;
  }

  /** A part of the disk: as data, without what is zeros. */
  data(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += RECORD_MAX) {
      const part = bytes.subarray(at, at + RECORD_MAX);
      if (isZero(part)) this.zeros(offset + at, part.length);
      else this.#record(DATA, offset + at, part.length, part);
    }
  }

  zeros(offset: number, length: number): void {
    for (let at = 0; at < length; at += ZEROS_MAX) this.#record(ZEROS, offset + at, Math.min(ZEROS_MAX, length - at), Buffer.alloc(0));
  }

  end(): void {
    this.#record(END, this.#records, 0, Buffer.alloc(0));
    this.#put(this.#hash.digest());
  }
}

/** Calls for each part of the stream, having found it whole so far. */
export interface StreamParts {
  data(offset: number, bytes: Uint8Array): void;
  zeros(offset: number, length: number): void;
}

/** Reads a stream from a file. Throws ImageError for what is no stream, damaged or cut off: after some parts, perhaps. */
export function readStream(file: ByteFile, begin: (header: StreamHeader) => StreamParts): StreamHeader {
  const source = new Source(file);
  const start = source.take(MAGIC.length + 4);
  if (!start.subarray(0, MAGIC.length).equals(MAGIC)) throw new ImageError('is no stream of lucid image send');
  const length = start.readUInt32BE(MAGIC.length);
  if (length > HEADER_MAX) throw new ImageError('is damaged: its header is too long');
  const text = source.take(length);
  if (!source.take(DIGEST).equals(sha256(text))) throw new ImageError('is damaged: its header is not what was sent');
  const header = checkedHeader(text);
  const parts = begin(header);
  for (let records = 0; ; records++) {
    const head = source.take(RECORD_HEAD);
    const kind = head.readUInt8();
    const offset = Number(head.readBigUInt64BE(1));
    const bytes = head.readUInt32BE(9);
    const where = `record ${records}`;
    if (kind === DATA && bytes > RECORD_MAX) throw new ImageError(`is damaged: ${where} is too long`);
    const data = source.take(kind === DATA ? bytes : 0);
    if (!source.take(DIGEST).equals(sha256(head, data))) throw new ImageError(`is damaged: ${where} is not what was sent`);
    if (kind === END) {
      if (offset !== records) throw new ImageError(`is damaged: ${records} records of ${offset}`);
      source.finish();
      return header;
    }
    if ((kind !== DATA && kind !== ZEROS) || offset + bytes > header.size) throw new ImageError(`is damaged: ${where} is not of this disk`);
    if (kind === DATA) parts.data(offset, data);
    else parts.zeros(offset, bytes);
  }
}

function checkedHeader(text: Buffer): StreamHeader {
  const damaged = new ImageError('is damaged: its header does not tell what it holds');
  let header: StreamHeader;
  try {
    header = JSON.parse(text.toString('utf8')) as StreamHeader;
  } catch {
    throw damaged;
  }
  const fits = (snapshot: StreamSnapshot | undefined): boolean =>
    snapshot === undefined ||
    (typeof snapshot === 'object' &&
      typeof snapshot?.name === 'string' &&
      [snapshot.seconds, snapshot.nanoseconds].every((n) => Number.isInteger(n) && n >= 0 && n < 2 ** 32));
  const { size, clusterBits, snapshot, from } = header ?? {};
  const whole =
    Number.isInteger(size) && size >= 512 && size < 2 ** 52 && Number.isInteger(clusterBits) && clusterBits >= 9 && clusterBits <= 21;
  if (!whole || !fits(snapshot) || !fits(from)) throw damaged;
  return header;
}

/** The file from its start on, hashed as it is read. */
class Source {
  readonly #file: ByteFile;
  readonly #hash: Hash = createHash('sha256');
  #at = 0;

  constructor(file: ByteFile) {
    this.#file = file;
  }

  #read(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    if (this.#file.read(this.#at, bytes) < length) throw new ImageError(`is cut off at ${this.#file.size()} bytes`);
    this.#at += length;
    return bytes;
  }

  take(length: number): Buffer {
    const bytes = this.#read(length);
    this.#hash.update(bytes);
    return bytes;
  }

  finish(): void {
    if (!this.#read(DIGEST).equals(this.#hash.digest())) throw new ImageError('is damaged: it is not what was sent, as a whole');
    if (this.#file.size() > this.#at) throw new ImageError('goes on after its end');
  }
}

/** Writes the parts of a stream to a disk. */
export function intoDisk(disk: DiskImage, fresh: boolean): StreamParts {
  return {
    data: (offset, bytes) => disk.write(offset, bytes),
    // A fresh disk is zeros.
    zeros: (offset, length) => {
      if (!fresh) disk.zero(offset, length);
    },
  };
}
