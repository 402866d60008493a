/**
 * A VM in a file: what `lucid save` writes and `lucid run --restore` reads.
 *
 * Layout: 16 bytes of magic with the version of the format; the length of the header (u32, little-endian) and the header, JSON; then the parts that it
 * lists, in pieces of at most `PIECE` bytes, each compressed with zstd; at the end SHA-256 over all before it. The header names the layout of the state
 * (`LAYOUT_VERSION`, `LAYOUT_HASH`): a file of another version is refused before anything else of it is looked at.
 *
 * The file is written under a temporary name and renamed, so that it is there whole or not at all.
 *
 * @module
 */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { StateError } from './bus.ts';
import { LAYOUT_HASH, LAYOUT_VERSION } from './cpu/layout.ts';
import type { SavedVm } from './vm.ts';

const MAGIC = 'lucid snapshot 1';
const PIECE = 16 * 1048576;
const DIGEST = 32;
const HEADER_MAX = 64 * 1048576;

/** A snapshot file as it is in memory. `about` is whatever the writer wants to know again, plain data. */
export interface Snapshot {
  readonly about: unknown;
  readonly vm: SavedVm;
  /** More bytes by name, such as what a disk's layer in memory holds. */
  readonly extra: Readonly<Record<string, Uint8Array>>;
}

interface Header {
  readonly layoutVersion: number;
  readonly layoutHash: number;
  readonly about: unknown;
  readonly vm: unknown;
  /** Name and length of each part, and the stored lengths of its pieces. */
  readonly parts: readonly { readonly name: string; readonly bytes: number; readonly pieces: readonly number[] }[];
}

/** Writes a snapshot; bytes of the file. Throws the system's error, having left nothing behind. */
export function writeSnapshot(path: string, snapshot: Snapshot): number {
  const { vcpus, pages, ...rest } = snapshot.vm;
  const blobs: [string, Uint8Array][] = [
    ...vcpus.flatMap((v, i): [string, Uint8Array][] => [
      [`vcpu${i}.state`, v.state],
      [`vcpu${i}.tlb`, v.tlb],
    ]),
    ['pages.touched', pages.touched],
    ['pages.numbers', new Uint8Array(pages.numbers.buffer, pages.numbers.byteOffset, pages.numbers.byteLength)],
    ['pages.contents', pages.contents],
    ...Object.entries(snapshot.extra),
  ];
  const packed = blobs.map(([name, bytes]) => ({ name, bytes, pieces: compressed(bytes) }));
  const header: Header = {
    layoutVersion: LAYOUT_VERSION,
    layoutHash: LAYOUT_HASH,
    about: snapshot.about,
    vm: { ...rest, vcpus: vcpus.length },
    parts: packed.map(({ name, bytes, pieces }) => ({ name, bytes: bytes.length, pieces: pieces.map((p) => p.length) })),
  };
  const text = Buffer.from(JSON.stringify(header, outOfJson));
  const temporary = `${path}.${process.pid}.tmp`;
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    const hash = createHash('sha256');
    let total = 0;
    const put = (bytes: Uint8Array): void => {
      hash.update(bytes);
      writeAll(fd, bytes);
      total += bytes.length;
    };
    put(Buffer.from(MAGIC));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    put(length);
    put(text);
    for (const { pieces } of packed) for (const piece of pieces) put(piece);
    writeAll(fd, hash.digest());
    fsyncSync(fd);
    closeSync(fd);
    renameSync(temporary, path);
    return total + DIGEST;
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function compressed(bytes: Uint8Array): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += PIECE) pieces.push(zstdCompressSync(bytes.subarray(at, at + PIECE)));
  return pieces;
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** Reads a snapshot. Throws the system's error, or StateError with what is wrong with the file. */
export function readSnapshot(path: string): Snapshot {
  return withSource(path, (source) => {
    const header = readHeader(source);
    const parts = new Map(header.parts.map((part) => [part.name, unpacked(source, part)]));
    source.finish();
    return assemble(header, parts);
  });
}

/** What the writer wanted to know again, without the rest, which is not looked at. Throws as `readSnapshot` does. */
export function readAbout(path: string): unknown {
  return withSource(path, (source) => readHeader(source).about);
}

function withSource<T>(path: string, use: (source: Source) => T): T {
  const fd = openSync(path, 'r');
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new StateError('is not a file');
    return use(new Source(fd, stat.size));
  } finally {
    closeSync(fd);
  }
}

/** The file from its start to its digest, hashed as it is read. */
class Source {
  readonly #fd: number;
  readonly #hash: Hash = createHash('sha256');
  #left: number;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.#left = size;
  }

  take(bytes: number): Buffer {
    if (bytes > this.#left - DIGEST) throw new StateError('is cut off');
    const taken = this.#read(bytes);
    this.#hash.update(taken);
    return taken;
  }

  #read(bytes: number): Buffer {
    const into = Buffer.alloc(bytes);
    for (let at = 0; at < bytes; ) {
      const got = readSync(this.#fd, into, at, bytes - at, null);
      if (got === 0) throw new StateError('is cut off');
      at += got;
    }
    this.#left -= bytes;
    return into;
  }

  /** Everything was read and is what was written. */
  finish(): void {
    if (this.#left !== DIGEST) throw new StateError(this.#left < DIGEST ? 'is cut off' : 'goes on behind its end');
    if (!this.#read(DIGEST).equals(this.#hash.digest())) throw new StateError('is damaged: its checksum differs');
  }
}

function readHeader(source: Source): Header {
  const magic = source.take(MAGIC.length).toString('latin1');
  if (magic !== MAGIC)
    throw new StateError(magic.startsWith('lucid snapshot') ? 'is of another version of Lucid' : 'is not a snapshot of a VM');
  const length = source.take(4).readUInt32LE();
  if (length > HEADER_MAX) throw new StateError('is damaged: its header cannot be so long');
  const header = parseHeader(source.take(length).toString('utf8'));
  if (header.layoutVersion !== LAYOUT_VERSION || header.layoutHash !== LAYOUT_HASH)
    throw new StateError('is of another version of Lucid: the layout of the state differs');
  return header;
}

function parseHeader(text: string): Header {
  let header: Partial<Header>;
  try {
    header = JSON.parse(text, intoJson) as Partial<Header>;
  } catch {
    throw new StateError('is damaged: its header is not JSON');
  }
  const { vm, parts } = header;
  const fits =
    typeof vm === 'object' &&
    vm !== null &&
    Array.isArray(parts) &&
    parts.every((p) => typeof p?.name === 'string' && isSize(p.bytes) && Array.isArray(p.pieces) && p.pieces.every(isSize));
  if (!fits) throw new StateError('is damaged: its header is none');
  return header as Header;
}

function isSize(n: unknown): boolean {
  return Number.isSafeInteger(n) && (n as number) >= 0 && (n as number) < 2 ** 32;
}

function unpacked(source: Source, { name, bytes, pieces }: Header['parts'][number]): Uint8Array {
  const into = new Uint8Array(bytes);
  let at = 0;
  for (const stored of pieces) {
    let piece: Buffer;
    try {
      piece = zstdDecompressSync(source.take(stored), { maxOutputLength: PIECE });
    } catch (error) {
      if (error instanceof StateError) throw error;
      throw new StateError(`is damaged: ${name} cannot be unpacked`);
    }
    if (at + piece.length > bytes) throw new StateError(`is damaged: ${name} is too long`);
    into.set(piece, at);
    at += piece.length;
  }
  if (at !== bytes) throw new StateError(`is damaged: ${name} is too short`);
  return into;
}

function assemble(header: Header, parts: ReadonlyMap<string, Uint8Array>): Snapshot {
  const part = (name: string): Uint8Array => {
    const bytes = parts.get(name);
    if (bytes === undefined) throw new StateError(`is damaged: ${name} is missing`);
    return bytes;
  };
  const { vcpus, ...rest } = header.vm as Omit<SavedVm, 'vcpus' | 'pages'> & { vcpus: number };
  const numbers = part('pages.numbers');
  if (numbers.length % 4 !== 0) throw new StateError('is damaged: pages.numbers');
  const known = /^(vcpu\d+\.(state|tlb)|pages\.(touched|numbers|contents))$/;
  return {
    about: header.about,
    vm: {
      ...rest,
      vcpus: Array.from({ length: vcpus }, (_, i) => ({ state: part(`vcpu${i}.state`), tlb: part(`vcpu${i}.tlb`) })),
      pages: { touched: part('pages.touched'), numbers: new Uint32Array(numbers.buffer), contents: part('pages.contents') },
    },
    extra: Object.fromEntries([...parts].filter(([name]) => !known.test(name))),
  };
}

/** JSON knows no infinite numbers; armed deadlines do. */
const NUMBER = '$number';

function outOfJson(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? { [NUMBER]: String(value) } : value;
}

function intoJson(_key: string, value: unknown): unknown {
  return typeof value === 'object' && value !== null && NUMBER in value ? Number((value as Record<string, unknown>)[NUMBER]) : value;
}
