/**
 * An arena's header: what the runtime and the readers of a program's memory find there.
 *
 * What does not fit is made smaller, as the kernel does for `bufresize=auto`: the largest of the buffer, the aggregations and the dynamic variables is
 * halved until all of it fits.
 *
 * @module
 */
import { ARENA, POLICY, RECORD, STATE } from '../arena.ts';
import { type ArenaPlaces, layOut, RECORD_EXCESS } from '../arena-layout.ts';
import { numberOf } from '../options.ts';
import type { ArenaSizes, ProgramDescriptor } from '../program.ts';

/** What a program is told of the world that it runs in. */
export interface Surroundings {
  /** `pid`, `vmid`, `execname`, `vmname`, `zonename`. */
  readonly pid: number;
  readonly vmid: number;
  readonly execname: string;
  readonly vmname: string;
  readonly zonename: string;
  /** walltimestamp when the clock was 0: ns since 1970. */
  readonly epochNs: bigint;
  /** Of rand(). */
  readonly seed: bigint;
}

/** Parts that can be made smaller, by the option that sets them. */
const SHRINKABLE = { bufsize: 'buffer', aggsize: 'aggregations', dynvarsize: 'dynamic' } as const;

type Shrinkable = readonly [option: keyof typeof SHRINKABLE, part: (typeof SHRINKABLE)[keyof typeof SHRINKABLE]];

const SHRINKABLES = Object.entries(SHRINKABLE) as unknown as readonly Shrinkable[];

/** Bytes in effect of what had to be made smaller. */
export type Lowered = Partial<Record<keyof typeof SHRINKABLE, number>>;

export interface FittedArena {
  readonly places: ArenaPlaces;
  readonly sizes: ArenaSizes;
  readonly lowered: Lowered;
}

/** No part is made smaller than this. */
const LEAST = 16 << 10;
const DEFAULT_STRSIZE = 256;

export function stringBytes({ options }: ProgramDescriptor): number {
  return numberOf(options, 'strsize', DEFAULT_STRSIZE);
}

/** Lays a program's memory out in at most `room` bytes; undefined when it cannot be. */
export function fitArena(descriptor: ProgramDescriptor, room: number): FittedArena | undefined {
  const sizes: { -readonly [K in keyof ArenaSizes]: number } = { ...descriptor.memory };
  const lowered: { -readonly [K in keyof Lowered]: number } = {};
  const bytes = stringBytes(descriptor);
  // Every record fits half the ring.
  const buffer = descriptor.epids.reduce((most, epid) => Math.max(most, 2 * (epid?.bytes ?? 0)), LEAST);
  const canShrink = ([, part]: Shrinkable): boolean => sizes[part] / 2 >= (part === 'buffer' ? buffer : LEAST);
  for (;;) {
    const places = layOut(sizes, bytes);
    if (places.bytes <= room) return { places, sizes, lowered };
    const candidates = descriptor.options['bufresize'] === 'manual' ? [] : SHRINKABLES.filter(canShrink);
    if (candidates.length === 0) return undefined;
    const [option, part] = candidates.reduce((a, b) => (sizes[b[1]] > sizes[a[1]] ? b : a));
    sizes[part] = Math.floor(sizes[part] / 2 / 8) * 8;
    // The tables that come with aggregations are not the user's.
    lowered[option] = part === 'buffer' ? sizes.buffer : (lowered[option] ?? numberOf(descriptor.options, option, sizes[part] * 2)) / 2;
  }
}

/** Bytes that the records of END may need. */
function endBytes({ epids }: ProgramDescriptor): number {
  return epids.reduce((sum, e) => sum + (e?.probe.provider === 'dtrace' && e.probe.name === 'END' ? e.bytes + RECORD.HEADER : 0), 0);
}

const POLICIES: Readonly<Record<string, number>> = { switch: POLICY.SWITCH, fill: POLICY.FILL, ring: POLICY.RING };

/** Fills in the header of the zeroed arena at `arena`. */
export function writeHeader(
  memory: ArrayBufferLike,
  arena: number,
  descriptor: ProgramDescriptor,
  { places, sizes }: FittedArena,
  around: Surroundings,
  wait: boolean,
): void {
  const view = new DataView(memory, arena, ARENA.HEADER);
  const set = (field: number, value: number): void => view.setUint32(field, value, true);
  const part = (field: number, at: number, bytes: number): void => {
    set(field, arena + at);
    set(field + 4, bytes);
  };
  part(ARENA.RING, places.ring, sizes.buffer);
  part(ARENA.CONSTANTS, places.constants, sizes.constants);
  part(ARENA.GLOBALS, places.globals, sizes.globals);
  part(ARENA.LOCALS, places.locals, sizes.locals);
  part(ARENA.SCRATCH, places.scratch, sizes.scratch);
  part(ARENA.DYNAMIC, places.dynamic, sizes.dynamic);
  part(ARENA.AGGREGATIONS, places.aggregations, sizes.aggregations);
  part(ARENA.SPECULATIONS, places.speculations, sizes.speculations);
  set(ARENA.SPECULATION_BYTES, sizes.speculationBytes);
  set(ARENA.STRING_BYTES, stringBytes(descriptor));
  set(ARENA.SCRATCH_NEXT, arena + places.scratch);
  set(ARENA.BOUNCE, arena + places.bounce);
  set(ARENA.BYTES, places.bytes);
  const capacity = Math.min(numberOf(descriptor.options, 'bufsize', sizes.buffer) + RECORD_EXCESS, sizes.buffer);
  set(ARENA.CAPACITY, capacity);
  set(ARENA.RESERVE, Math.min(endBytes(descriptor), Math.floor(capacity / 2)));
  set(ARENA.STATE, STATE.IDLE);
  set(ARENA.POLICY, POLICIES[String(descriptor.options['bufpolicy'] ?? 'switch')] ?? POLICY.SWITCH);
  set(ARENA.WAIT, wait ? 1 : 0);
  set(ARENA.PID, around.pid);
  set(ARENA.VMID, around.vmid);
  view.setBigUint64(ARENA.EPOCH, BigInt.asUintN(64, around.epochNs), true);
  view.setBigUint64(ARENA.SEED, BigInt.asUintN(64, around.seed), true);
  const names = { [ARENA.EXECNAME]: around.execname, [ARENA.VMNAME]: around.vmname, [ARENA.ZONENAME]: around.zonename };
  for (const [field, name] of Object.entries(names)) {
    const text = Buffer.from(name, 'utf8').subarray(0, ARENA.NAME_BYTES - 1);
    new Uint8Array(memory, arena + Number(field), text.length).set(text);
  }
}
