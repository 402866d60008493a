/**
 * A small writer of ACPI Machine Language: each function returns the bytes of one term, and terms nest.
 *
 * Specification: ACPI 6.5, chapter 20 (AML grammar: names 20.2.2, data 20.2.3, package length 20.2.4, objects 20.2.5), section 6.4 (resource
 * descriptors), 19.6.37 (EISA ids). Left out: whatever the board's DSDT does not use.
 *
 * @module
 */

/** Bytes of an encoded term. */
export type Aml = readonly number[];

const ZERO_OP = 0x00;
const ONE_OP = 0x01;
const NAME_OP = 0x08;
const SCOPE_OP = 0x10;
const BUFFER_OP = 0x11;
const PACKAGE_OP = 0x12;
const METHOD_OP = 0x14;
const DUAL_NAME_PREFIX = 0x2e;
const MULTI_NAME_PREFIX = 0x2f;
const EXT_OP = 0x5b;
const ROOT_CHAR = 0x5c;
const LOCAL0_OP = 0x60;
const ARG0_OP = 0x68;
const STORE_OP = 0x70;
const EQUAL_OP = 0x93;
const IF_OP = 0xa0;
const ELSE_OP = 0xa1;
const RETURN_OP = 0xa4;
const DEVICE_OP = 0x82; // after ExtOpPrefix

function little(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256);
}

/** PkgLength before `content`, itself counted (20.2.4). */
function sized(content: Aml): number[] {
  const fits = (bytes: number, limit: number) => content.length + bytes < limit;
  if (fits(1, 0x40)) return [content.length + 1, ...content];
  const bytes = fits(2, 1 << 12) ? 2 : fits(3, 1 << 20) ? 3 : 4;
  const length = content.length + bytes;
  return [((bytes - 1) << 6) | (length & 0x0f), ...little(length >> 4, bytes - 1), ...content];
}

/** A NameString: `\`-rooted or relative, segments of up to four characters separated by dots. */
export function path(name: string): Aml {
  const rooted = name.startsWith('\\');
  const segments = (rooted ? name.slice(1) : name).split('.');
  const encoded = segments.flatMap((segment) => {
    if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment)) throw new RangeError(`not an AML name: ${name}`);
    return Array.from(segment.padEnd(4, '_'), (c) => c.charCodeAt(0));
  });
  const prefix = segments.length === 1 ? [] : segments.length === 2 ? [DUAL_NAME_PREFIX] : [MULTI_NAME_PREFIX, segments.length];
  return [...(rooted ? [ROOT_CHAR] : []), ...prefix, ...encoded];
}

/** An integer constant in its shortest form; 0 to 2^53 - 1. */
export function integer(value: number): Aml {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an AML integer: ${value}`);
  if (value === 0) return [ZERO_OP];
  if (value === 1) return [ONE_OP];
  if (value <= 0xff) return [0x0a, value];
  if (value <= 0xffff) return [0x0b, ...little(value, 2)];
  if (value <= 0xffff_ffff) return [0x0c, ...little(value, 4)];
  return [0x0e, ...little(value, 8)];
}

export function string(value: string): Aml {
  return [0x0d, ...Array.from(value, (c) => c.charCodeAt(0)), 0];
}

/** EISAID("PNP0A03") as the integer that _HID takes: three letters of five bits, four hexadecimal digits, big-endian (19.6.37). */
export function eisaId(id: string): Aml {
  if (!/^[A-Z]{3}[0-9A-F]{4}$/.test(id)) throw new RangeError(`not an EISA id: ${id}`);
  const letter = (i: number) => id.charCodeAt(i) - 0x40;
  const maker = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = Number.parseInt(id.slice(3), 16);
  return [0x0c, maker >> 8, maker & 0xff, product >> 8, product & 0xff];
}

export function buffer(bytes: Aml): Aml {
  return [BUFFER_OP, ...sized([...integer(bytes.length), ...bytes])];
}

export function packageOf(...elements: Aml[]): Aml {
  if (elements.length > 255) throw new RangeError('an AML package holds at most 255 elements');
  return [PACKAGE_OP, ...sized([elements.length, ...elements.flat()])];
}

export function name(at: string, value: Aml): Aml {
  return [NAME_OP, ...path(at), ...value];
}

export function scope(at: string, ...terms: Aml[]): Aml {
  return [SCOPE_OP, ...sized([...path(at), ...terms.flat()])];
}

export function device(at: string, ...terms: Aml[]): Aml {
  return [EXT_OP, DEVICE_OP, ...sized([...path(at), ...terms.flat()])];
}

export interface MethodOptions {
  /** 0 to 7. Default 0. */
  readonly args?: number;
  readonly serialized?: boolean;
}

export function method(at: string, options: MethodOptions, ...terms: Aml[]): Aml {
  const flags = (options.args ?? 0) | (options.serialized ? 8 : 0);
  return [METHOD_OP, ...sized([...path(at), flags, ...terms.flat()])];
}

export function arg(index: number): Aml {
  return [ARG0_OP + index];
}

export function local(index: number): Aml {
  return [LOCAL0_OP + index];
}

export function store(from: Aml, to: Aml): Aml {
  return [STORE_OP, ...from, ...to];
}

export function returnOf(value: Aml): Aml {
  return [RETURN_OP, ...value];
}

export function equal(a: Aml, b: Aml): Aml {
  return [EQUAL_OP, ...a, ...b];
}

export function when(condition: Aml, then: Aml[], otherwise: Aml[] = []): Aml {
  const otherwiseBytes = otherwise.length === 0 ? [] : [ELSE_OP, ...sized(otherwise.flat())];
  return [IF_OP, ...sized([...condition, ...then.flat()]), ...otherwiseBytes];
}

/** A ResourceTemplate: the descriptors in a buffer, ended by a tag whose checksum 0 means "not computed" (6.4.2.9). */
export function resources(...descriptors: Aml[]): Aml {
  return buffer([...descriptors.flat(), 0x79, 0x00]);
}

/** I/O ports at a fixed place, 16-bit decode (6.4.2.5). */
export function io(port: number, length: number): Aml {
  return [0x47, 0x01, ...little(port, 2), ...little(port, 2), 0x01, length];
}

/** ISA interrupts, edge-triggered, active high (6.4.2.1, short form). */
export function irq(...lines: number[]): Aml {
  return [0x22, ...little(bits(lines), 2)];
}

/** A global interrupt that several may share: a level, active high (6.4.3.6). */
export function sharedLevel(gsi: number): Aml {
  return [0x89, ...little(6, 2), 0x09, 0x01, ...little(gsi, 4)];
}

/** A DMA channel: compatibility timing, 8-bit transfers (6.4.2.2). */
export function dma(channel: number): Aml {
  return [0x2a, 1 << channel, 0x00];
}

/** A fixed range of 32-bit memory (6.4.3.4). */
export function memory32(gpa: number, length: number): Aml {
  return [0x86, ...little(9, 2), 0x01, ...little(gpa, 4), ...little(length, 4)];
}

const MEMORY_RANGE = 0;
const IO_RANGE = 1;
const BUS_RANGE = 2;
/** Minimum and maximum are fixed; decoded positively; produced for the devices below. */
const FIXED_PRODUCER = 0x0c;

/** An address space descriptor with fixed bounds, first to last inclusive (6.4.3.5); `width` in bytes. */
function addressSpace(tag: number, width: number, type: number, specific: number, first: number, last: number): Aml {
  const fields = [0, first, last, 0, last - first + 1].flatMap((field) => little(field, width));
  return [tag, ...little(3 + fields.length, 2), type, FIXED_PRODUCER, specific, ...fields];
}

export function busNumbers(first: number, last: number): Aml {
  return addressSpace(0x88, 2, BUS_RANGE, 0, first, last);
}

/** I/O ports that the bridge passes down, the entire range. */
export function ioWindow(first: number, last: number): Aml {
  return addressSpace(0x88, 2, IO_RANGE, 0x03, first, last);
}

/** Memory that the bridge passes down: read-write, not cacheable. */
export function memoryWindow(first: number, last: number): Aml {
  const wide = last > 0xffff_ffff;
  return addressSpace(wide ? 0x8a : 0x87, wide ? 8 : 4, MEMORY_RANGE, 0x01, first, last);
}

function bits(positions: readonly number[]): number {
  return positions.reduce((mask, position) => mask | (1 << position), 0);
}
