/**
 * What a file of expectations says (`read-file.ts`), as data.
 *
 * @module
 */
import type { CompiledProgram } from '../../../probes/program.ts';
import type { NamedCause } from '../../exit-log/cause-named.ts';
import type { Mark } from '../../exit-log/marks.ts';
import type { Button } from '../../power-messages.ts';

/** Numbers that are allowed, both ends included; `is` alone: this one. */
export interface Bound {
  readonly min?: number;
  readonly max?: number;
  readonly is?: number;
}

/** A part of the run: phases `from` to `to`, both included. Phase n comes after n marks. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  /** Names of its ends. */
  readonly names: readonly [from: string, to: string];
}

export interface NamedMark {
  readonly name: string;
  readonly mark: Mark;
}

/** A D program, compiled before the guest starts; one for each stretch in which its aggregations are asked for. */
export interface DProgram {
  readonly text: string;
  readonly compiled: CompiledProgram;
  readonly between: Stretch;
}

/** What is done at a mark. */
export interface Input {
  /** Index of the mark; -1: the start. */
  readonly after: number;
  /** Characters for the console. */
  readonly type?: string;
  readonly press?: Button;
}

interface Common {
  /** Given, or made of what is expected. */
  readonly name: string;
  readonly line: number;
}

export interface ExitsExpectation extends Common {
  readonly kind: 'exits';
  readonly what: NamedCause;
  readonly count?: Bound;
  /** ns of the VM's clock, modelled. */
  readonly time?: Bound;
  readonly between: Stretch;
}

export interface ReachedExpectation extends Common {
  readonly kind: 'reached';
  /** Index of the mark. */
  readonly mark: number;
  readonly instructions?: number;
  readonly timeNs?: number;
  readonly exits?: number;
}

export interface SerialExpectation extends Common {
  readonly kind: 'serial';
  readonly contains?: string;
  readonly lacks?: string;
  readonly matches?: RegExp;
  readonly between: Stretch;
}

export interface KstatExpectation extends Common {
  readonly kind: 'kstat';
  /** module:instance:name:statistic. */
  readonly selector: string;
  readonly value: Bound;
  readonly between: Stretch;
}

export interface DExpectation extends Common {
  readonly kind: 'd';
  /** Index of the program. */
  readonly program: number;
  /** `@name`. */
  readonly aggregation: string;
  readonly key?: readonly string[];
  /** Of a distribution: the bound is on this percentile. */
  readonly percentile?: number;
  readonly value: Bound;
  readonly between: Stretch;
}

export interface OutcomeExpectation extends Common {
  readonly kind: 'outcome';
  readonly outcome: string;
}

export interface BaselineExpectation extends Common {
  readonly kind: 'baseline';
  readonly newCauses: 'none' | 'any';
  /** How far a count may be from the baseline's, in percent; undefined: counts are not compared. */
  readonly tolerance?: number;
}

export type Expectation =
  | ExitsExpectation
  | ReachedExpectation
  | SerialExpectation
  | KstatExpectation
  | DExpectation
  | OutcomeExpectation
  | BaselineExpectation;

export interface Plan {
  readonly path: string;
  /** The guest as words of `lucid run`, and the line where the file says it. */
  readonly guest: readonly string[];
  readonly guestLine: number;
  readonly marks: readonly NamedMark[];
  readonly inputs: readonly Input[];
  readonly symbols?: string;
  readonly programs: readonly DProgram[];
  readonly expectations: readonly Expectation[];
}
