/**
 * Tokens of D.
 *
 * @module
 */
import type { Type } from './types.ts';

export type TokenKind =
  /** Keywords and punctuation are their own kind: `if`, `->`. */
  | 'word'
  | 'punctuation'
  | 'identifier'
  /** The name of a type. */
  | 'type'
  /** `@name`; the text without the `@`. */
  | 'aggregation'
  | 'integer'
  | 'string'
  /** A probe description, or a part of one. */
  | 'probe'
  /** The `/` that ends a predicate. */
  | 'predicate-end'
  | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** As written; for errors. */
  readonly text: string;
  readonly line: number;
  /** Of a string or name: its value. */
  readonly value: string;
  /** Of an integer. */
  readonly integer: bigint;
  readonly type?: Type;
  /** A macro argument with a sign: `-` is applied after. */
  readonly negative?: boolean;
}

/** Words that D reserves in clauses, those it gives no meaning included. */
export const KEYWORDS: ReadonlySet<string> = new Set(
  (
    'auto break case char const continue counter default do double else enum extern float for goto if import inline int long offsetof probe ' +
    'provider register restrict return self short signed sizeof static string stringof struct switch this translator typedef union unsigned ' +
    'userland void volatile while xlate'
  ).split(' '),
);

/** Words that may start a declaration between clauses; anything else there is a probe description. */
export const DECLARATION_WORDS: ReadonlySet<string> = new Set(
  (
    'auto char const counter double enum extern float import inline int long provider register restrict self short signed static string struct ' +
    'this translator typedef union unsigned userland void volatile'
  ).split(' '),
);
