/**
 * The checked program: what the D compiler's front end hands to its code generator.
 *
 * Every identifier is resolved, every conversion explicit, every inline and translator expanded, every `if` turned into clauses with conditions
 * (as the original does), every constant folded. The code generator decides nothing about the language; it lowers these nodes.
 *
 * Values: integers, enumerators and pointers are of their type's size, sign- or zero-extended to 64 bits by it; a string is the address of its
 * bytes (a D address, see `probes/arena.ts`, or a guest address); a structure or array as a value is its address.
 *
 * @module
 */
import type { Member, Type } from './types.ts';

/** A variable of the program. */
export interface Variable {
  readonly scope: 'global' | 'self' | 'this';
  readonly name: string;
  /** Type of the value; of the element when it has keys. Structures, arrays and strings are stored by value. */
  type: Type;
  /** Key types of an associative array; undefined for a scalar. Kept in bounded dynamic memory when set, and for every `self` variable. */
  keys?: readonly Type[];
  /** Index among the variables of its scope. */
  readonly index: number;
}

/** Aggregating functions with their parameters. */
export type AggregatingFunction =
  | { readonly name: 'count' | 'sum' | 'avg' | 'min' | 'max' | 'stddev' | 'quantize' }
  | { readonly name: 'lquantize'; readonly base: number; readonly limit: number; readonly step: number }
  | {
      readonly name: 'llquantize';
      readonly factor: number;
      readonly low: number;
      readonly high: number;
      readonly steps: number;
    };

/** An aggregation, one for each `@name`. */
export interface Aggregation {
  /** '' for the plain `@`; printed as `_`'s original does. */
  readonly name: string;
  /** From 1, in the order of their first appearance. */
  readonly id: number;
  readonly func: AggregatingFunction;
  /** The value is printed as signed. */
  readonly signed: boolean;
  readonly keys: readonly Type[];
}

interface Node {
  /** Type of the value. */
  readonly type: Type;
  readonly line: number;
}

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%' | '&' | '|' | '^' | '<<' | '>>';
export type ComparisonOperator = '<' | '<=' | '>' | '>=' | '==' | '!=';

/** A value bound to a name inside one expression: a parameter of an inline, the input of a translator. Evaluated once, before the body. */
export interface Binding {
  readonly name: string;
  readonly type: Type;
}

export type Expression = Node &
  (
    | { readonly op: 'integer'; readonly value: bigint }
    | { readonly op: 'text'; readonly value: string }
    /** A built-in scalar: arg0-arg9, timestamp, pid, execname, probefunc, epid, curcpu, ... */
    | { readonly op: 'builtin'; readonly name: string }
    /** args[n]: raw argument n seen through its type. */
    | { readonly op: 'argument'; readonly index: number }
    | { readonly op: 'register'; readonly set: 'vmregs' | 'uregs'; readonly index: Expression }
    /** A variable, or an element of one: the keys are converted to the variable's key types. An lvalue. */
    | { readonly op: 'variable'; readonly variable: Variable; readonly keys?: readonly Expression[] }
    /** What stands at an address. An lvalue (writable only in memory of D's own). */
    | { readonly op: 'dereference'; readonly address: Expression }
    /** A member of a structure or union that is an lvalue or a value by address. An lvalue. */
    | { readonly op: 'member'; readonly object: Expression; readonly member: Member }
    | { readonly op: 'address'; readonly of: Expression }
    /** The operand is of the node's type. `!` gives int. */
    | { readonly op: 'unary'; readonly operator: '-' | '~' | '!'; readonly operand: Expression }
    /** Conversion by value to the node's type: between integers, enumerators and pointers; to string: an address seen as text (stringof). */
    | { readonly op: 'convert'; readonly operand: Expression }
    /** Both operands are of the node's type, but for a shift's count. Pointer arithmetic is scaled already. */
    | { readonly op: 'arithmetic'; readonly operator: ArithmeticOperator; readonly left: Expression; readonly right: Expression }
    /** Both operands are of one type (integers, pointers or strings): its sign decides. The result is int. */
    | { readonly op: 'compare'; readonly operator: ComparisonOperator; readonly left: Expression; readonly right: Expression }
    | { readonly op: 'logical'; readonly operator: '&&' | '||' | '^^'; readonly left: Expression; readonly right: Expression }
    | { readonly op: 'conditional'; readonly condition: Expression; readonly then: Expression; readonly otherwise: Expression }
    /** The comma operator: all are evaluated, the last is the value. */
    | { readonly op: 'sequence'; readonly parts: readonly Expression[] }
    /** The value is of the target's type. Assigning 0 to an element of an associative array or a `self` variable frees it. */
    | { readonly op: 'assign'; readonly target: Expression; readonly value: Expression }
    /**
     * `target op= value`, `++` and `--`: the target is read (converted to `value`'s type), combined, converted back, stored. The value of the node is
     * what was stored, or what had been there (`old`).
     */
    | {
        readonly op: 'update';
        readonly operator: ArithmeticOperator;
        readonly target: Expression;
        readonly value: Expression;
        readonly result: 'new' | 'old';
      }
    /** A subroutine with a value: strlen, copyin, substr, rand, speculation, ... Arguments are of the subroutine's prototype; left out ones are absent. */
    | { readonly op: 'call'; readonly name: string; readonly arguments: readonly Expression[] }
    | { readonly op: 'let'; readonly binding: Binding; readonly value: Expression; readonly body: Expression }
    | { readonly op: 'bound'; readonly binding: Binding }
    /** stack(), ustack(), sym() and so on as a value: `frames` of a stack; the address of a symbol. */
    | { readonly op: 'dynamic'; readonly frames?: number; readonly address?: Expression }
  );

/** Actions that leave a record or change the tracer's state. */
export type ActionName =
  | 'trace'
  | 'printf'
  | 'print'
  | 'tracemem'
  | 'stack'
  | 'ustack'
  | 'jstack'
  | 'sym'
  | 'mod'
  | 'func'
  | 'usym'
  | 'umod'
  | 'uaddr'
  | 'ufunc'
  | 'printa'
  | 'clear'
  | 'trunc'
  | 'normalize'
  | 'denormalize'
  | 'exit'
  | 'speculate'
  | 'commit'
  | 'discard'
  | 'freopen'
  | 'system'
  | 'setopt'
  | 'stop'
  | 'raise'
  | 'breakpoint'
  | 'panic'
  | 'chill'
  | 'ftruncate'
  /** The record of a clause without a body. */
  | 'default';

export interface Action {
  readonly kind: 'action';
  readonly name: ActionName;
  readonly line: number;
  /** Values that go into the record, in order; for speculate and its kin the identifier; for normalize the factor; for trunc the count. */
  readonly arguments: readonly Expression[];
  /** Format of printf, printa, system, freopen. */
  readonly format?: string;
  /** printa, clear, trunc, normalize, denormalize. */
  readonly aggregations?: readonly Aggregation[];
  /** stack and ustack: frames (ustack: also bytes of strings). tracemem: bytes, and the argument that says how many are shown. */
  readonly size?: number;
  readonly stringSize?: number;
}

export type Statement =
  /** Evaluated for what it does; leaves no record. */
  | { readonly kind: 'expression'; readonly line: number; readonly expression: Expression }
  | Action
  | {
      readonly kind: 'aggregate';
      readonly line: number;
      readonly aggregation: Aggregation;
      readonly keys: readonly Expression[];
      /** What is aggregated (absent for count) and, for the quantizing functions, by how much. */
      readonly value?: Expression;
      readonly increment?: Expression;
    };

/** A probe as the compiler knows it. */
export interface Probe {
  /** Its number as `-l` shows it. */
  readonly id: number;
  readonly provider: string;
  readonly module: string;
  readonly func: string;
  readonly name: string;
  /** Typed arguments, in C: `uint32_t bytes`. `raw`: which of arg0 to arg9 holds it, when not the one of its index. */
  readonly args: readonly { readonly type: string; readonly name: string; readonly raw?: number }[];
}

/** A clause after checking. One that matches several probes has one entry; each (probe, clause) pair is an enabling with an epid of its own. */
export interface Clause {
  readonly probes: readonly Probe[];
  readonly predicate?: Expression;
  readonly statements: readonly Statement[];
  readonly line: number;
}

/** A program after checking. */
export interface CheckedProgram {
  /** In program order: of a probe's clauses, the first one written runs first. */
  readonly clauses: readonly Clause[];
  readonly globals: readonly Variable[];
  readonly selfs: readonly Variable[];
  readonly locals: readonly Variable[];
  readonly aggregations: readonly Aggregation[];
  /** Options set by `#pragma D option`, in order. */
  readonly options: readonly (readonly [name: string, value: string | undefined])[];
  /** It has an action that needs -w. */
  readonly destructive: boolean;
}
