/**
 * What a D program is compiled from and within: its sources, and everything the command line and the tracer bring.
 *
 * @module
 */
import type { Probe } from './tree.ts';

/**
 * Where a source comes from: a file (`-s`), a program of the command line (`-n`, `program` when it has no specifier of its own), or a clause
 * after `-P`, `-m`, `-f`, `-i`, whose first component names what the option says.
 */
export type SourceForm = 'script' | 'program' | 'provider' | 'module' | 'function' | 'name' | 'id';

export interface Source {
  readonly form: SourceForm;
  /** The file's name as given, or the text of the specifier. */
  readonly name: string;
  readonly text: string;
}

/** Which probes: globs, '' = any; or a number. */
export type ProbePattern =
  | { readonly provider: string; readonly module: string; readonly func: string; readonly name: string }
  | { readonly id: number };

/** The part of the probe registry that the compiler needs. */
export interface Probes {
  match(pattern: ProbePattern): readonly Probe[];
  all(): readonly Probe[];
}

export interface Environment {
  readonly probes: Probes;
  /** Options set on the command line, by name; those of the program are added by the caller. */
  readonly options?: Readonly<Record<string, number | string | undefined>>;
  /** $1, $2, ... */
  readonly macroArguments?: readonly string[];
  /** $target. */
  readonly target?: number;
  /** $0. */
  readonly scriptName?: string;
  /** Values of $pid, $uid and so on; those that are absent are undefined variables. */
  readonly macros?: Readonly<Record<string, number>>;
  /** -D, `name` or `name=value`. */
  readonly defines?: readonly string[];
  /** -U. */
  readonly undefines?: readonly string[];
  /** -I. */
  readonly includes?: readonly string[];
  /** -C. */
  readonly preprocess?: boolean;
  /** -L: directories of libraries (*.d). */
  readonly libraries?: readonly string[];
  /** -Z: descriptions that match nothing are allowed. */
  readonly zdefs?: boolean;
  /** -w. */
  readonly destructive?: boolean;
  /** Text of a file; undefined when there is none. */
  readFile?(path: string): string | undefined;
  /** Names of a directory's files; empty when there is none. */
  listDirectory?(path: string): readonly string[];
  /** Checks an option of `#pragma D option`: undefined = fine, else why not. */
  checkOption?(name: string, value: string | undefined): string | undefined;
}
