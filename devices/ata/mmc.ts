/**
 * What a CD-ROM drive answers to packets.
 *
 * Specification: SPC-3 (INQUIRY 6.4, REQUEST SENSE 6.27, MODE SENSE 6.9, TEST UNIT READY 6.33, PREVENT ALLOW 6.13) and MMC-5 (READ 6.20, READ CAPACITY 6.22,
 * READ TOC/PMA/ATIP 6.26, GET CONFIGURATION 6.6, GET EVENT STATUS NOTIFICATION 6.7, READ DISC INFORMATION 6.23, MECHANISM STATUS, START STOP UNIT 6.42).
 *
 * Pure functions: a packet and the disc give sense, and bytes from the reply or from the disc. Allocation lengths cut replies.
 *
 * @module
 */

export const CD_SECTOR = 2048;

export interface Disc {
  /** Of 2048 bytes. */
  readonly sectors: number;
}

/** Sense key, additional code and qualifier. */
export interface Sense {
  readonly key: number;
  readonly code: number;
  readonly qualifier: number;
}

export const NO_SENSE: Sense = { key: 0, code: 0, qualifier: 0 };
export const READ_ERROR: Sense = { key: 3, code: 0x11, qualifier: 0 };
const BAD_COMMAND: Sense = { key: 5, code: 0x20, qualifier: 0 };
export const NOT_ON_DISC: Sense = { key: 5, code: 0x21, qualifier: 0 };
const BAD_FIELD: Sense = { key: 5, code: 0x24, qualifier: 0 };

export interface Answer {
  readonly sense: Sense;
  readonly reply: Uint8Array<ArrayBuffer>;
  /** Byte of the disc from which the answer comes, or -1 for the reply. */
  readonly from: number;
  readonly bytes: number;
}

const TEST_UNIT_READY = 0x00;
const REQUEST_SENSE = 0x03;
const INQUIRY = 0x12;
const MODE_SENSE_6 = 0x1a;
const START_STOP = 0x1b;
const PREVENT_ALLOW = 0x1e;
const READ_CAPACITY = 0x25;
const READ_10 = 0x28;
const SEEK_10 = 0x2b;
const READ_TOC = 0x43;
const GET_CONFIGURATION = 0x46;
const GET_EVENT_STATUS = 0x4a;
const READ_DISC_INFORMATION = 0x51;
const MODE_SENSE_10 = 0x5a;
const READ_12 = 0xa8;
const MECHANISM_STATUS = 0xbd;

const NOTHING = new Uint8Array(0);
/** The profile of the drive and its disc: CD-ROM. */
const PROFILE = 0x0008;

/** The packet's answer; `sense` is that of the packet before. */
export function perform(packet: Uint8Array, disc: Disc, sense: Sense): Answer {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  switch (packet[0]) {
    case TEST_UNIT_READY:
    case START_STOP:
    case PREVENT_ALLOW:
      return given(NOTHING, 0);
    case REQUEST_SENSE:
      return given(senseData(sense), packet[4]);
    case INQUIRY:
      return packet[1] & 1 ? refused(BAD_FIELD) : given(inquiry(), view.getUint16(3));
    case READ_CAPACITY:
      return given(big32(disc.sectors - 1, CD_SECTOR), 8);
    case READ_10:
      return read(disc, view.getUint32(2), view.getUint16(7));
    case READ_12:
      return read(disc, view.getUint32(2), view.getUint32(6));
    case SEEK_10:
      return view.getUint32(2) < disc.sectors ? given(NOTHING, 0) : refused(NOT_ON_DISC);
    case READ_TOC:
      return tableOfContents(packet, disc, view.getUint16(7));
    case GET_CONFIGURATION:
      return given(configuration(view.getUint16(2), packet[1] & 3), view.getUint16(7));
    case GET_EVENT_STATUS:
      return packet[1] & 1 ? given(eventStatus(packet[4]), view.getUint16(7)) : refused(BAD_FIELD);
    case READ_DISC_INFORMATION:
      return packet[1] & 7 ? refused(BAD_FIELD) : given(discInformation(), view.getUint16(7));
    case MODE_SENSE_6:
      return modeSense(packet[2], packet[4], 4);
    case MODE_SENSE_10:
      return modeSense(packet[2], view.getUint16(7), 8);
    case MECHANISM_STATUS:
      return given(Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 0), view.getUint16(8));
    default:
      return refused(BAD_COMMAND);
  }
}

function given(reply: Uint8Array<ArrayBuffer>, allocated: number): Answer {
  return { sense: NO_SENSE, reply, from: -1, bytes: Math.min(reply.length, allocated) };
}

function refused(sense: Sense): Answer {
  return { sense, reply: NOTHING, from: -1, bytes: 0 };
}

function read(disc: Disc, sector: number, count: number): Answer {
  if (sector + count > disc.sectors) return refused(NOT_ON_DISC);
  return { sense: NO_SENSE, reply: NOTHING, from: count === 0 ? -1 : sector * CD_SECTOR, bytes: count * CD_SECTOR };
}

function big32(...values: number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setUint32(4 * i, value);
  });
  return bytes;
}

/** Fixed format (SPC-3, 4.5.3). */
function senseData({ key, code, qualifier }: Sense): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(18);
  bytes[0] = 0x70;
  bytes[2] = key;
  bytes[7] = 10;
  bytes[12] = code;
  bytes[13] = qualifier;
  return bytes;
}

function inquiry(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(36);
  bytes.set([0x05, 0x80, 0x00, 0x21, 31]); // CD-ROM, removable; the format of ATAPI
  const text = 'LUCID   CD-ROM          1.0 ';
  for (let i = 0; i < text.length; i++) bytes[8 + i] = text.charCodeAt(i);
  return bytes;
}

/** Formats 0 (tracks), 1 (sessions) and 2 (raw) of a disc with one session of one data track. */
function tableOfContents(packet: Uint8Array, disc: Disc, allocated: number): Answer {
  const inMinutes = (packet[1] & 2) !== 0;
  const place = (sector: number): number[] => (inMinutes ? minutes(sector) : [...big32(sector)]);
  // Old drives have the format in the top bits of the control byte (MMC-5, 6.26.2.5).
  const format = packet[2] & 0x0f || packet[9] >> 6;
  const leadOut = [0, 0x16, 0xaa, 0, ...place(disc.sectors)];
  const track = [0, 0x14, 1, 0, ...place(0)];
  switch (format) {
    case 0:
      if (packet[6] > 1 && packet[6] !== 0xaa) return refused(BAD_FIELD);
      return given(contents([1, 1, ...(packet[6] <= 1 ? track : []), ...leadOut]), allocated);
    case 1:
      return given(contents([1, 1, ...track]), allocated);
    case 2:
      return given(contents([1, 1, ...rawContents(disc)]), allocated);
    default:
      return refused(BAD_FIELD);
  }
}

function contents(body: readonly number[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([body.length >> 8, body.length & 0xff, ...body]);
}

/** Entries of the lead-in: first track, last track, lead-out, track 1 (MMC-5, table 488). */
function rawContents(disc: Disc): number[] {
  const entry = (point: number, place: readonly number[]) => [1, 0x14, 0, point, 0, 0, 0, 0, ...place];
  const [, m, s, f] = minutes(disc.sectors) as [number, number, number, number];
  return [...entry(0xa0, [1, 0, 0]), ...entry(0xa1, [1, 0, 0]), ...entry(0xa2, [m, s, f]), ...entry(1, [0, 2, 0])];
}

/** Minutes, seconds and frames of a sector; the first stands at two seconds. */
function minutes(sector: number): number[] {
  const frames = sector + 150;
  return [0, Math.floor(frames / 4500) & 0xff, Math.floor(frames / 75) % 60, frames % 75];
}

/** Feature descriptors from `first` on: profiles, core, removable medium, random readable, CD read (MMC-5, 5.3). */
function configuration(first: number, request: number): Uint8Array<ArrayBuffer> {
  const features: readonly (readonly [number, readonly number[]])[] = [
    [0x0000, [0x00, 0x00, 0x03, 4, 0x00, PROFILE, 1, 0]],
    [0x0001, [0x00, 0x01, 0x03, 4, 0x00, 0x00, 0x00, 0x02]],
    [0x0003, [0x00, 0x03, 0x03, 4, 0x29, 0, 0, 0]],
    [0x0010, [0x00, 0x10, 0x01, 8, 0, 0, 0x08, 0x00, 0, 1, 0, 0]],
    [0x001e, [0x00, 0x1e, 0x01, 4, 0, 0, 0, 0]],
  ];
  const wanted = features.filter(([code]) => (request === 2 ? code === first : code >= first)).flatMap(([, bytes]) => bytes);
  return Uint8Array.from([...big32(wanted.length + 4), 0, 0, 0, PROFILE, ...wanted]);
}

/** Media events (class 4): none, a disc is in. Of other classes there are none. */
function eventStatus(classes: number): Uint8Array<ArrayBuffer> {
  return classes & 0x10 ? Uint8Array.of(0, 6, 4, 0x10, 0, 2, 0, 0) : Uint8Array.of(0, 2, 0x80, 0x10);
}

/** Finalised, one session of one track. */
function discInformation(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(34);
  bytes.set([0, 32, 0x0e, 1, 1, 1, 1]);
  bytes.fill(0xff, 17, 24);
  return bytes;
}

/** Page 2Ah, capabilities, and page 01h, error recovery; `header` bytes before them. */
function modeSense(page: number, allocated: number, header: number): Answer {
  // Saved values do not exist (SPC-3, 6.9.1).
  if (page >> 6 === 3) return refused({ ...BAD_FIELD, code: 0x39 });
  const recovery = [0x01, 0x06, 0, 5, 0, 0, 0, 0];
  const capabilities = new Array<number>(22).fill(0);
  capabilities.splice(0, 7, 0x2a, 20, 0x03, 0, 0x71, 0x60, 0x29);
  capabilities.splice(8, 2, 0x02, 0xc2); // 706 kB/s
  const pages: Readonly<Record<number, readonly number[]>> = { 1: recovery, 42: capabilities, 63: [...recovery, ...capabilities] };
  const body = pages[page & 0x3f];
  if (body === undefined) return refused(BAD_FIELD);
  const head = new Array<number>(header).fill(0);
  const length = header + body.length;
  if (header === 4) head[0] = length - 1;
  else head[1] = length - 2;
  return given(Uint8Array.from([...head, ...body]), allocated);
}
