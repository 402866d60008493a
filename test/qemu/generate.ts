/**
 * Makes up cases: a kind, an environment, a level and a width of code that go with it, and a few instructions.
 *
 * @module
 */
import { Draft } from './assemble.ts';
import { type Bits, type Case, plainCase } from './case.ts';
import type { Environment } from './environments.ts';
import type { Harness } from './harness.ts';
import * as control from './kinds-control.ts';
import * as user from './kinds-user.ts';
import * as transfer from './kinds-transfer.ts';
import { Random } from './random.ts';

export type { Supported } from './kinds-control.ts';

interface Place {
  readonly environment: Environment;
  readonly level: number;
  readonly bits: Bits;
  readonly vm86: boolean;
}

const PROTECTED: readonly Environment[] = ['flat', 'paged32', 'pae'];

function anywhere(r: Random): Place {
  switch (r.below(8)) {
    case 0:
      return { environment: 'real', level: 0, bits: 16, vm86: false };
    case 1:
      return { environment: r.of(PROTECTED), level: 3, bits: 16, vm86: true };
    case 2:
    case 3:
      return inProtected(r);
    case 4:
      return { environment: 'long', level: r.of([0, 3, 3, 1, 2]), bits: 32, vm86: false };
    default:
      return inLong(r);
  }
}

const inProtected = (r: Random): Place => {
  const bits = r.oneIn(5) ? 16 : 32;
  return { environment: r.of(PROTECTED), level: bits === 16 ? r.of([0, 3]) : r.of([0, 0, 3, 3, 1, 2]), bits, vm86: false };
};

const inLong = (r: Random): Place => ({ environment: 'long', level: r.of([0, 0, 3, 3, 1, 2]), bits: 64, vm86: false });

const notReal = (r: Random): Place => {
  const place = anywhere(r);
  return place.environment === 'real' ? inProtected(r) : place;
};

const paged =
  (supported: control.Supported) =>
  (r: Random): Place => {
    const level = r.of([0, 3]);
    if ((supported.cr4 & 0x1000) !== 0 && r.oneIn(4)) return { environment: 'long5', level, bits: 64, vm86: false };
    if (r.oneIn(2)) return { ...inLong(r), level };
    return { environment: r.of(['paged32', 'pae', 'long'] as const), level: r.of([0, 3]), bits: 32, vm86: false };
  };

const anyCode = (r: Random): Place => {
  const place = anywhere(r);
  return place.environment === 'flat' ? { ...place, environment: 'paged32' } : place;
};

const code16 = (r: Random): Place => {
  const paging = r.of(['paged32', 'pae'] as const);
  return r.of([
    { environment: 'real', level: 0, bits: 16, vm86: false },
    { environment: paging, level: 3, bits: 16, vm86: true },
    { environment: paging, level: r.of([0, 3]), bits: 16, vm86: false },
  ] as const);
};

const code32 = (r: Random): Place => ({
  environment: r.of(['paged32', 'pae', 'long'] as const),
  level: r.of([0, 3]),
  bits: 32,
  vm86: false,
});

interface Kind {
  readonly name: string;
  readonly where: (r: Random) => Place;
  readonly make: (d: Draft) => void;
}

function kinds(supported: control.Supported): Kind[] {
  return [
    { name: 'segments', where: anywhere, make: transfer.segments },
    { name: 'far transfers', where: anywhere, make: transfer.far },
    { name: 'iret', where: anywhere, make: transfer.iret },
    { name: 'interrupts', where: anywhere, make: transfer.interrupts },
    { name: 'tasks', where: inProtected, make: transfer.tasks },
    { name: 'system calls', where: notReal, make: transfer.systemCalls },
    { name: 'control registers', where: anywhere, make: control.controlRegisters(supported) },
    { name: 'debug registers', where: anywhere, make: control.debugRegisters },
    { name: 'breakpoints', where: anywhere, make: control.breakpoints },
    { name: 'MSRs', where: anywhere, make: control.msrs },
    { name: 'system instructions', where: anywhere, make: control.systemInstructions(supported) },
    { name: 'ports', where: anywhere, make: control.ports },
    { name: 'paging', where: paged(supported), make: control.paging(supported) },
    { name: 'extended states', where: anywhere, make: control.extendedStates },
    { name: 'canonical addresses', where: inLong, make: control.canonical },
    { name: 'single step', where: anywhere, make: control.steps },
    { name: 'LOCK', where: anywhere, make: control.locks },
    { name: 'instructions', where: anyCode, make: user.instructions },
    { name: '16-bit instructions', where: code16, make: user.instructions },
    { name: '32-bit instructions', where: code32, make: user.instructions },
  ];
}

export const kindNames = (): string[] => kinds({ cr4: 0 }).map((k) => k.name);

/** Case number `n` of `seed`; of the kinds named, or of all. */
export function generate(seed: number, n: number, harness: Harness, supported: control.Supported, only?: readonly string[]): Case {
  const r = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(n + 1, 0x85ebca6b));
  const kind = r.of(kinds(supported).filter((k) => only === undefined || only.includes(k.name)));
  const { environment, level, bits, vm86 } = kind.where(r);
  const c = plainCase(kind.name, environment, level, bits, vm86);
  for (let i = 0; i < c.regs.length; i++) c.regs[i] = r.oneIn(2) ? r.edge64() : r.u64();
  if (environment !== 'real' && !vm86 && bits !== 64 && r.oneIn(4)) {
    c.es = c.fs = c.gs = 0;
    c.tags.add('null');
  }
  const draft = new Draft(c, r, harness, level, bits, vm86);
  kind.make(draft);
  // Bits of EFER and CR4 that one of the two has not.
  c.cr4 = (c.cr4 & supported.cr4) >>> 0;
  return draft.finish();
}
