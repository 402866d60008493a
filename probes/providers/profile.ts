/**
 * The profile provider: `profile-N` on every vCPU, `tick-N` on one, at times of the VM's clock.
 *
 * Models the provider of illumos: N is a rate in hertz, or with a suffix (in any case) an interval; intervals below 200 microseconds and the
 * thousand-and-first probe are not provided, so a description that asks for one matches nothing. They fire at multiples of their interval
 * from the time on at which they are enabled, as the original's do. The probes listed from the start are those of the original.
 *
 * arg0 is the program counter if the vCPU runs the guest's kernel, else 0; arg1 if it runs user code; arg2 of profile the nanoseconds by which an exit
 * made it late. A halted vCPU fires at its exact time with its registers as they are. Without a VM the host's clock counts, and both are 0.
 *
 * @module
 */
import { attributes } from './attributes.ts';
import { globMatches } from './glob.ts';
import { SECOND, TIME_UNITS } from '../time-unit.ts';
import type { ProbeGlobs, ProbeName, Provider } from './provider.ts';

/** What a probe of this provider does. */
export interface ProfileKind {
  readonly kind: 'profile' | 'tick';
  /** Nanoseconds. */
  readonly interval: number;
}

/** 5000 times a second. */
const LEAST_INTERVAL = SECOND / 5000;
const PROBES_MAX = 1000;

/** Reads a probe's name; undefined when the provider has no such probe. */
export function profileKind(name: string): ProfileKind | undefined {
  const match = /^(profile|tick)-(\d+)([a-z]*)$/i.exec(name);
  if (match === null || !/^(profile|tick)-/.test(name)) return undefined;
  const [, kind, digits, suffix] = match as unknown as [string, ProfileKind['kind'], string, string];
  const value = Number(digits);
  const unit = suffix.toLowerCase();
  if (value === 0) return undefined;
  const scale = TIME_UNITS.get(unit);
  const rate = unit === '' || unit === 'hz';
  if (!rate && scale === undefined) return undefined;
  const interval = Math.floor(rate ? SECOND / value : value * (scale as number));
  if (interval < LEAST_INTERVAL || !Number.isSafeInteger(interval)) return undefined;
  return { kind, interval };
}

const evolving = attributes('Evolving', 'Evolving', 'Common');
const unstable = attributes('Unstable', 'Unstable', 'Unknown');
const hidden = attributes('Private', 'Private', 'Unknown');

const probe = (name: string): ProbeName => ({ provider: 'profile', module: '', func: '', name, args: [] });

const RATES = [97, 199, 499, 997, 1999, 4001, 4999];
const TICKS = [1, 10, 100, 500, 1000, 5000];

/** A provider with its own count of probes. */
export function profileProvider(): Provider {
  const probes = [...RATES.map((n) => probe(`profile-${n}`)), ...TICKS.map((n) => probe(`tick-${n}`))];
  let total = probes.length;
  return {
    name: 'profile',
    attributes: { provider: evolving, module: unstable, func: hidden, name: evolving, args: evolving },
    probes,
    provide({ provider, module, func, name }: ProbeGlobs, has) {
      // The name says itself what to make; it is made only where it will match.
      const wanted = [
        [provider, 'profile'],
        [module, ''],
        [func, ''],
      ].every(([glob, text]) => glob === '' || globMatches(glob as string, text as string));
      if (!wanted || has(name) || profileKind(name) === undefined || total >= PROBES_MAX) return [];
      total++;
      return [probe(name)];
    },
  };
}
