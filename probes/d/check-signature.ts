/**
 * Signatures: arguments against a prototype, keys against those of an array or aggregation.
 *
 * The first use of an associative array or aggregation fixes the types of its keys; later ones are checked and converted, as arguments of a function are.
 *
 * @module
 */
import { isUntyped, nameOf } from './check-operator.ts';
import type { Context } from './context.ts';
import { assignable, convert, decay } from './convert.ts';
import { typeName } from './ctype.ts';
import type { Prototype } from './names.ts';
import type { Expression } from './tree.ts';
import { type Type, resolve } from './types.ts';

/** What is called or indexed, as messages show it: `strlen( )`, `a[ ]`, `@a[ ]`. */
export interface Signed {
  readonly shown: string;
  readonly line: number;
}

function wrongNumber(context: Context, { shown, line }: Signed, given: number, expected: string | number): never {
  return context.raise(
    'D_PROTO_LEN',
    `${shown} prototype mismatch: ${given} arg${given === 1 ? '' : 's'} passed, ${expected} expected`,
    line,
  );
}

export function wrongArgument(context: Context, { shown, line }: Signed, at: number, prototype: string, argument: string): never {
  const text = `${shown} argument #${at + 1} is incompatible with prototype:\n\tprototype: ${prototype}\n\t argument: ${argument}`;
  return context.raise('D_PROTO_ARG', text, line);
}

/** Converts one argument. */
function argument(context: Context, signed: Signed, at: number, type: Type | undefined, value: Expression): Expression {
  if (type === undefined) return value;
  if (!assignable(type, value)) wrongArgument(context, signed, at, typeName(type), nameOf(value.type));
  return convert(decay(value), type);
}

/** How many arguments a prototype takes. */
export function checkCount(context: Context, signed: Signed, { parameters, required, varargs }: Prototype, given: number): void {
  if (given >= required && (varargs || given <= parameters.length)) return;
  wrongNumber(context, signed, given, !varargs && required < parameters.length ? `at least ${required}` : required);
}

/** The arguments of a function, converted to its parameters' types. */
export function checkArguments(context: Context, signed: Signed, prototype: Prototype, given: readonly Expression[]): Expression[] {
  checkCount(context, signed, prototype, given.length);
  return given.map((value, i) => argument(context, signed, i, prototype.parameters[i], value));
}

/** Keys, converted to those of earlier uses, if there were any. */
export function checkKeys(
  context: Context,
  signed: Signed & { readonly kind: string },
  known: readonly Type[] | undefined,
  given: readonly Expression[],
): Expression[] {
  if (known === undefined) {
    return given.map((value, i) => {
      if (isUntyped(value.type) || resolve(value.type).kind === 'void') {
        const text = `${nameOf(value.type)} expression may not be used as ${signed.kind} index: key #${i + 1}`;
        context.raise('D_KEY_TYPE', text, signed.line);
      }
      return decay(value);
    });
  }
  if (given.length !== known.length) wrongNumber(context, signed, given.length, known.length);
  return given.map((value, i) => argument(context, signed, i, known[i], value));
}
