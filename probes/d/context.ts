/**
 * What checking knows: the names, what the program is compiled within, the clause at hand, and where errors are.
 *
 * @module
 */
import { describe } from './description.ts';
import type { Environment } from './environment.ts';
import { CompileError } from './error.ts';
import type { Names } from './names.ts';
import type { Description } from './syntax.ts';
import type { Binding, Probe } from './tree.ts';

/** The clause whose expressions are checked: one of its descriptions, and what that matches. */
export interface ClauseProbes {
  readonly description: Description;
  readonly probes: readonly Probe[];
}

export class Context {
  readonly names: Names;
  readonly environment: Environment;
  /** The file errors are in, when it is not the program's own. */
  file: string | undefined;
  /** The part of a clause errors are in, for programs of the command line. */
  region: string | undefined;
  /** Undefined outside of clauses: in inlines, translators, declarations. */
  clause: ClauseProbes | undefined;
  /** Parameters of the inline or translator whose body is checked: they hide other names. */
  parameters: ReadonlyMap<string, Binding> = new Map();

  constructor(names: Names, environment: Environment) {
    this.names = names;
    this.environment = environment;
  }

  raise(tag: string, text: string, line: number): never {
    throw new CompileError(tag, text, { line, file: this.file, region: this.region });
  }

  /** The clause's description, as messages show it. */
  get described(): string {
    return this.clause === undefined ? '' : describe(this.clause.description);
  }

  /** Runs with these parameters instead of the present ones, and outside of any clause. */
  within<T>(parameters: ReadonlyMap<string, Binding>, run: () => T): T {
    const { clause, parameters: outer } = this;
    this.clause = undefined;
    this.parameters = parameters;
    try {
      return run();
    } finally {
      this.clause = clause;
      this.parameters = outer;
    }
  }
}
