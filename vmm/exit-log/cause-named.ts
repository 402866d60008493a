/**
 * The causes of exits (`cause.ts`) by their names, as `lucid exits --by cause` prints them: what a person writes is checked against what there is.
 *
 * @module
 */
import { decodeApic, EXIT_REASON, EXIT_REASON_NAMES } from '../exit-reason.ts';
import { causeName, causeNumber, OUT } from './cause.ts';

/** Exits of a reason, or of one cause; neither: of any. */
export interface NamedCause {
  readonly text: string;
  readonly reason?: number;
  readonly cause?: number;
}

/** No such exit; one line that says what there is. */
export class CauseError extends Error {
  override readonly name = 'CauseError';
}

/** Of reasons whose detail is one number: its form and the highest one. */
const NUMBERED: Readonly<Record<number, { readonly form: RegExp; readonly write: string; readonly max: number; readonly scale?: number }>> =
  {
    [EXIT_REASON.MSR_READ]: { form: /^(\w+)$/, write: '0x10', max: 0xffff_ffff },
    [EXIT_REASON.MSR_WRITE]: { form: /^(\w+)$/, write: '0x10', max: 0xffff_ffff },
    [EXIT_REASON.VMCALL]: { form: /^(\w+)$/, write: '0x1', max: 0xffff_ffff },
    [EXIT_REASON.XSETBV]: { form: /^(\w+)$/, write: '0x0', max: 0xffff_ffff },
    [EXIT_REASON.CPUID]: { form: /^leaf (\w+)$/, write: 'leaf 0x1', max: 0xffff_ffff },
    [EXIT_REASON.EPT_MISCONFIG]: { form: /^page (\w+)$/, write: 'page 0xfed00000', max: 2 ** 52 - 1, scale: 4096 },
    [EXIT_REASON.EXCEPTION_NMI]: { form: /^vector (\w+)$/, write: 'vector 14', max: 255 },
    [EXIT_REASON.IO_INSTRUCTION]: { form: /^(?:in|out) (\w+)$/, write: 'in 0x71 or out 0x3f8', max: 0xffff },
  };

/** Of reasons whose detail is a few bits: how many there are. */
const LISTED: Readonly<Record<number, number>> = {
  [EXIT_REASON.EPT_VIOLATION]: 8,
  [EXIT_REASON.CR_ACCESS]: 0x40,
  [EXIT_REASON.DR_ACCESS]: 0x18,
  [EXIT_REASON.APIC_ACCESS]: 0x1_0000,
};

/** `any`, `EPT_VIOLATION`, `msr-write`, `IO_INSTRUCTION out 0x3f8`. Throws CauseError. */
export function causeNamed(text: string): NamedCause {
  const [, word = '', detail = ''] = /^(\S*)\s*(.*?)\s*$/s.exec(text.trim()) ?? [];
  if (word.toLowerCase() === 'any' && detail === '') return { text: 'any' };
  const name = word
    .toUpperCase()
    .replaceAll('-', '_')
    .replace(/^EXIT_REASON_/, '');
  const reason = EXIT_REASON_NAMES.indexOf(name);
  if (reason < 0 || name === '')
    throw new CauseError(`'${word}' is no exit reason; there is any, ${EXIT_REASON_NAMES.filter((n) => n !== undefined).join(', ')}`);
  if (detail === '') return { text: name, reason };
  const cause = causeNumber(reason, detailNamed(name, reason, detail));
  return { text: causeName(cause), reason, cause };
}

/** The names of a listed reason's details, made once: there are up to 65,536. */
function listedNames(name: string, reason: number, count: number): ReadonlyMap<string, number> {
  let names = LISTED_NAMES.get(reason);
  if (names === undefined) {
    names = new Map();
    for (let bits = count - 1; bits >= 0; bits--) names.set(causeName(causeNumber(reason, bits)).slice(name.length + 1), bits);
    LISTED_NAMES.set(reason, names);
  }
  return names;
}

/** `write of register 0xb0`, without making all names of its kind. */
function apicAccessNamed(detail: string): number | undefined {
  const [, access, offset] = /^(.+) of register 0x([0-9a-f]{1,3})$/.exec(detail) ?? [];
  for (let type = 0; type < 16; type++)
    if (offset !== undefined && decodeApic(type << 12).access === access) return (type << 12) | Number.parseInt(offset, 16);
  return undefined;
}

const LISTED_NAMES = new Map<number, Map<string, number>>();

function detailNamed(name: string, reason: number, detail: string): number {
  const numbered = NUMBERED[reason];
  if (numbered !== undefined) {
    const number = numbered.form.exec(detail)?.[1] ?? '';
    const value = /^(0x[0-9a-f]+|\d+)$/i.test(number) ? Number(number) : Number.NaN;
    if (!(value <= numbered.max)) throw new CauseError(`${name} has no '${detail}'; write ${name} or ${name} ${numbered.write}`);
    if (reason === EXIT_REASON.IO_INSTRUCTION) return value + (detail.startsWith('out') ? OUT : 0);
    return Math.floor(value / (numbered.scale ?? 1));
  }
  const count = LISTED[reason];
  if (count === undefined) throw new CauseError(`${name} has no '${detail}': exits of this reason are of one kind; write ${name}`);
  const apic = reason === EXIT_REASON.APIC_ACCESS ? apicAccessNamed(detail) : undefined;
  if (apic !== undefined) return apic;
  const names = listedNames(name, reason, count);
  const found = names.get(detail);
  if (found === undefined) {
    const some = [...names.keys()].filter((n) => n !== '').sort();
    const shown = some.length > 16 ? [...some.slice(0, 3), '...'] : some;
    throw new CauseError(`${name} has no '${detail}'; there is ${shown.join(', ')}`);
  }
  return found;
}
