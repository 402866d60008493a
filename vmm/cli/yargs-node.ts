/**
 * What yargs takes from Node's `util` and `assert`: imported whole, they load ten more modules for it; see `yargs.ts`.
 *
 * @module
 */
type Compare = (...args: readonly unknown[]) => void;

export const { format, inspect } = process.getBuiltinModule('node:util');

/** Loaded when yargs asserts something. */
function assert(): Readonly<Record<'strictEqual' | 'notStrictEqual', Compare>> {
  return process.getBuiltinModule('node:assert') as unknown as ReturnType<typeof assert>;
}

export const strictEqual: Compare = (...args) => assert().strictEqual(...args);

export const notStrictEqual: Compare = (...args) => assert().notStrictEqual(...args);
