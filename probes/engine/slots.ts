/**
 * Which slot of the runtime's table each probe of a program has: SLOT of `probes/arena.ts`.
 *
 * @module
 */
import { SLOT } from '../arena.ts';
import type { Probe } from '../d/tree.ts';
import { DEVICE_POINTS, POINTS } from '../points.ts';
import { type ProfileKind, profileKind } from '../providers/profile.ts';
import type { ProgramDescriptor } from '../program.ts';

/** A profile or tick probe of a program. */
export interface TimerSlot extends ProfileKind {
  readonly slot: number;
}

/** The probes that a program has enabled. */
export interface ProgramSlots {
  /** By the number of the probe. */
  readonly slots: ReadonlyMap<number, number>;
  /** Numbers of its static points. */
  readonly points: readonly number[];
  readonly timers: readonly TimerSlot[];
  readonly begin: boolean;
  readonly end: boolean;
}

/** More profile and tick probes than there are slots. */
export class TooManyProbes extends Error {
  override readonly name = 'TooManyProbes';
}

const POINT_NUMBERS: ReadonlyMap<string, number> = new Map(
  [...POINTS, ...DEVICE_POINTS].map(({ provider, func, name, id }) => [`${provider}:${func}:${name}`, id]),
);

const DTRACE: Readonly<Record<string, number>> = { BEGIN: SLOT.BEGIN, END: SLOT.END, ERROR: SLOT.ERROR };

/** Gives every probe of a program its slot. Throws TooManyProbes, or RangeError for a probe that no provider has. */
export function assignSlots(descriptor: ProgramDescriptor): ProgramSlots {
  const slots = new Map<number, number>();
  const points: number[] = [];
  const timers: TimerSlot[] = [];
  const fixed = ({ provider, func, name }: Probe): number | undefined => {
    return provider === 'dtrace' ? DTRACE[name] : POINT_NUMBERS.get(`${provider}:${func}:${name}`);
  };
  for (const enabling of descriptor.epids) {
    const probe = enabling?.probe;
    if (probe === undefined || slots.has(probe.id)) continue;
    let slot = fixed(probe);
    if (probe.provider !== 'dtrace' && slot !== undefined) points.push(slot);
    const kind = probe.provider === 'profile' ? profileKind(probe.name) : undefined;
    if (kind !== undefined) {
      slot = SLOT.FREE + timers.length;
      if (slot >= SLOT.PER_CONSUMER)
        throw new TooManyProbes(`more than ${SLOT.PER_CONSUMER - SLOT.FREE} profile and tick probes in one program`);
      timers.push({ ...kind, slot });
    }
    if (slot === undefined) throw new RangeError(`probe ${probe.id}: ${probe.provider}:${probe.module}:${probe.func}:${probe.name}`);
    slots.set(probe.id, slot);
  }
  const has = (slot: number): boolean => [...slots.values()].includes(slot);
  return { slots, points, timers, begin: has(SLOT.BEGIN), end: has(SLOT.END) };
}
