/**
 * Structures that arguments of probes point to: their members, in C, and where each stands.
 *
 * A leaf, as `points.ts` is: a device writes these bytes, the tracer puts them where a D program reads them, and the D compiler makes types of them. The
 * members of bufinfo_t, devinfo_t and fileinfo_t, their order and their types are those of the Dynamic Tracing Guide, chapter "io Provider"; those of
 * frameinfo_t and nicinfo_t are this project's. A `string` takes 256 bytes in place, NUL included, as it does in any structure of D.
 *
 * @module
 */

/** Bytes of the types that members have; their alignment too, but for a string, which has none. */
const SIZES = {
  int: 4,
  uint16_t: 2,
  uint64_t: 8,
  size_t: 8,
  caddr_t: 8,
  offset_t: 8,
  dev_t: 8,
  string: 256,
} as const;

type MemberType = keyof typeof SIZES;

export interface StructureMember {
  readonly type: string;
  readonly name: string;
  readonly offset: number;
}

/** `struct TAG`, and its type TAG_t. */
export interface Structure {
  readonly tag: string;
  readonly members: readonly StructureMember[];
  readonly bytes: number;
  readonly align: number;
}

function aligned(offset: number, align: number): number {
  return Math.ceil(offset / align) * align;
}

/** `members`: `type name` each, separated by commas. */
function structure(tag: string, text: string): Structure {
  let at = 0;
  let most = 1;
  const members = text.split(', ').map((member) => {
    const [type, name] = member.split(' ') as [MemberType, string];
    const align = type === 'string' ? 1 : SIZES[type];
    const offset = aligned(at, align);
    at = offset + SIZES[type];
    most = Math.max(most, align);
    return { type, name, offset };
  });
  return { tag, members, bytes: aligned(at, most), align: most };
}

export const BUFINFO = structure(
  'bufinfo',
  'int b_flags, size_t b_bcount, caddr_t b_addr, uint64_t b_lblkno, uint64_t b_blkno, size_t b_resid, size_t b_bufsize, caddr_t b_iodone, int b_error, dev_t b_edev',
);
export const DEVINFO = structure(
  'devinfo',
  'int dev_major, int dev_minor, int dev_instance, string dev_name, string dev_statname, string dev_pathname',
);
export const FILEINFO = structure(
  'fileinfo',
  'string fi_name, string fi_dirname, string fi_pathname, offset_t fi_offset, string fi_fs, string fi_mount, int fi_oflags',
);
/** `address` points to the first `captured` bytes of the frame. */
export const FRAMEINFO = structure(
  'frameinfo',
  'size_t length, size_t captured, caddr_t address, uint16_t ethertype, string source, string destination, string reason',
);
export const NICINFO = structure('nicinfo', 'int instance, string name, string mac');

export const STRUCTURES: readonly Structure[] = [BUFINFO, DEVINFO, FILEINFO, FRAMEINFO, NICINFO];

/** Bits of b_flags (<sys/buf.h> of illumos). */
export const B_FLAGS = {
  B_BUSY: 0x1,
  B_DONE: 0x2,
  B_ERROR: 0x4,
  B_PAGEIO: 0x10,
  B_PHYS: 0x20,
  B_READ: 0x40,
  B_WRITE: 0x100,
  B_ASYNC: 0x400,
} as const;

/** Where each of several structures stands that follow one another, and where they end. */
export function placesOf(structures: readonly Structure[]): readonly number[] {
  const places = [0];
  for (const { bytes } of structures) places.push(aligned((places.at(-1) as number) + bytes, 8));
  return places;
}

/** Structures that follow one another, to be filled in member by member. */
export class StructureBytes {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #members = new Map<string, StructureMember & { readonly at: number }>();

  constructor(structures: readonly Structure[]) {
    const places = placesOf(structures);
    this.bytes = new Uint8Array(places.at(-1) as number);
    this.#view = new DataView(this.bytes.buffer);
    structures.forEach(({ members }, i) => {
      for (const member of members) this.#members.set(member.name, { ...member, at: (places[i] as number) + member.offset });
    });
  }

  /** An integer of at most 53 bits. */
  number(name: string, value: number): void {
    const { type, at } = this.#member(name);
    if (type === 'int') this.#view.setInt32(at, value, true);
    else if (type === 'uint16_t') this.#view.setUint16(at, value, true);
    else {
      this.#view.setUint32(at, value % 2 ** 32, true);
      this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
    }
  }

  /** Text, cut where it does not fit. */
  text(name: string, value: string): void {
    const { at } = this.#member(name);
    const room = this.bytes.subarray(at, at + SIZES.string);
    room.fill(0);
    new TextEncoder().encodeInto(value, room.subarray(0, SIZES.string - 1));
  }

  #member(name: string): StructureMember & { readonly at: number } {
    const member = this.#members.get(name);
    if (member === undefined) throw new RangeError(`no member ${name}`);
    return member;
  }
}
