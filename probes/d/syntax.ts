/**
 * The parse tree of D: what the parser makes and the checker reads. Types in it are resolved already, as the grammar depends on them; names are not.
 *
 * @module
 */
import type { SourceForm } from './environment.ts';
import type { Type } from './types.ts';

interface At {
  readonly line: number;
}

export type UnaryOperator = '+' | '-' | '~' | '!' | '*' | '&' | 'sizeof' | 'stringof';
export type StepOperator = '++' | '--';
export type BinaryOperator =
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'
  | '&'
  | '|'
  | '^'
  | '<<'
  | '>>'
  | '&&'
  | '||'
  | '^^'
  | '<'
  | '<='
  | '>'
  | '>='
  | '=='
  | '!=';
export type AssignOperator = '=' | '+=' | '-=' | '*=' | '/=' | '%=' | '&=' | '|=' | '^=' | '<<=' | '>>=';

/** An expression as parsed; constants are folded. `depth` is that of the tree below, which is bounded. */
export type Syntax = At & { readonly depth: number } & (
    | { readonly kind: 'integer'; readonly value: bigint; readonly type: Type }
    | { readonly kind: 'text'; readonly value: string }
    | { readonly kind: 'identifier'; readonly name: string }
    | { readonly kind: 'aggregation'; readonly name: string }
    | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Syntax }
    | { readonly kind: 'step'; readonly operator: StepOperator; readonly prefix: boolean; readonly operand: Syntax }
    | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Syntax; readonly right: Syntax }
    | { readonly kind: 'assign'; readonly operator: AssignOperator; readonly left: Syntax; readonly right: Syntax }
    | { readonly kind: 'conditional'; readonly condition: Syntax; readonly then: Syntax; readonly otherwise: Syntax }
    | { readonly kind: 'cast'; readonly type: Type; readonly operand: Syntax }
    | { readonly kind: 'index'; readonly object: Syntax; readonly indices: readonly Syntax[] }
    | { readonly kind: 'call'; readonly callee: Syntax; readonly arguments: readonly Syntax[] }
    | { readonly kind: 'member'; readonly operator: '.' | '->'; readonly object: Syntax; readonly name: string }
    | { readonly kind: 'comma'; readonly parts: readonly Syntax[] }
    | { readonly kind: 'xlate'; readonly type: Type; readonly operand: Syntax }
  );

export type SyntaxOf<K extends Syntax['kind']> = Extract<Syntax, { readonly kind: K }>;

/** A statement of a clause. */
export type StatementSyntax = At &
  (
    | { readonly kind: 'expression'; readonly expression: Syntax }
    | {
        readonly kind: 'if';
        readonly condition: Syntax;
        readonly then: readonly StatementSyntax[];
        readonly otherwise?: readonly StatementSyntax[];
      }
  );

/** A probe description: components by globs, or a number. */
export type Description = At &
  (
    | { readonly provider: string; readonly module: string; readonly func: string; readonly name: string; readonly id?: undefined }
    | { readonly id: number }
  );

export interface ClauseSyntax extends At {
  readonly descriptions: readonly Description[];
  readonly predicate?: Syntax;
  /** Undefined when there was no `{ }`. */
  readonly statements?: readonly StatementSyntax[];
  /** File of an included or library clause. */
  readonly file?: string;
}

/** A member of a translator: `name = expression;`. */
export interface TranslatorMember extends At {
  readonly name: string;
  readonly value: Syntax;
}

/** A parameter of an inline, an associative array or a function. */
export interface Parameter {
  readonly type: Type;
  readonly name: string;
}

/** How a source's text is to be read. */
export interface Reading {
  readonly form: SourceForm;
  readonly text: string;
}
