/**
 * Types by their C names, as the declarations of probes have them: `struct kvm_vcpu *`, `unsigned long`, `gpa_t`.
 *
 * @module
 */
import { VOID, pointerTo } from './ctype.ts';
import type { Raise } from './error.ts';
import type { Names } from './names.ts';
import { QUALIFIERS, Specifiers, TYPE_WORDS } from './specifiers.ts';
import type { Type } from './types.ts';

class Unknown extends Error {}

const unknown: Raise = (_tag, text) => {
  throw new Unknown(text);
};

/** The type; undefined when a word of it means nothing. */
export function typeNamed(text: string, names: Names): Type | undefined {
  const stars = text.length - text.replaceAll('*', '').length;
  const words = text.replaceAll('*', ' ').trim().split(/\s+/);
  let type = words.join(' ') === 'void' ? VOID : baseType(words, names);
  for (let i = 0; type !== undefined && i < stars; i++) type = pointerTo(type);
  return type;
}

function baseType(all: readonly string[], names: Names): Type | undefined {
  const words = all.filter((word) => !QUALIFIERS.has(word));
  const [first = '', second = ''] = words;
  if (first === 'struct' || first === 'union' || first === 'enum') {
    const tag = names.tag(second);
    return tag?.kind === first ? tag : undefined;
  }
  if (words.length === 1 && !TYPE_WORDS.has(first)) return names.typedef(first);
  if (!words.every((word) => TYPE_WORDS.has(word))) return undefined;
  try {
    const specifiers = new Specifiers(unknown);
    for (const word of words) specifiers.word(word);
    return specifiers.resolve();
  } catch (error) {
    if (error instanceof Unknown) return undefined;
    throw error;
  }
}
