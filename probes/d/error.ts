/**
 * What the D compiler reports: one error, with the tag, place and text of the original's.
 *
 * The original stops at the first error; so does this one. The text has no full stop and, for errors of prototypes, several lines. Where the error
 * stands is told as the original tells it: a line of a file, or, for a program given on the command line, the part of the clause (`in action list`).
 *
 * @module
 */
import type { SourceForm } from './environment.ts';

/** The place of an error. */
export interface Place {
  readonly line: number;
  /** The file, when it is not the program's own (a library, something included). */
  readonly file?: string;
  /** The part of a clause: `action list`, `predicate`, ... */
  readonly region?: string;
}

/** A program that does not compile. */
export class CompileError extends Error {
  /** `D_...`; see the list of tags in SPECIFICATION.md. */
  readonly tag: string;
  readonly text: string;
  readonly place: Place;
  /** Index of the source among those compiled together; the compiler fills it in. */
  source = 0;

  constructor(tag: string, text: string, place: Place) {
    super(`[${tag}] line ${place.line}: ${text}`);
    this.name = 'CompileError';
    this.tag = tag;
    this.text = text;
    this.place = place;
  }

  /** The line in the program's file; undefined for programs of the command line, which have none. */
  get line(): number | undefined {
    return this.place.line > 0 ? this.place.line : undefined;
  }
}

/** Adds to errors what the caller knows; made anew for each source. */
export type Raise = (tag: string, text: string, line?: number) => never;

/** How a message is worded. */
export interface Wording {
  /** The command's own name. */
  readonly command: string;
  /** -xerrtags. */
  readonly errtags?: boolean;
}

/** The text after the command's name and the source's: `[D_TAG] line 3: text`. */
export function located(error: CompileError, form: SourceForm, errtags = false): string {
  const { line, file, region } = error.place;
  let where = '';
  if (form === 'script' || file !== undefined) where = file === undefined ? `line ${line}: ` : `"${file}", line ${line}: `;
  else if (region !== undefined) where = `in ${region}: `;
  return `${errtags ? `[${error.tag}] ` : ''}${where}${error.text}`;
}

/** The whole message, as the command prints it. */
export function message(error: CompileError, source: { readonly form: SourceForm; readonly name: string }, wording: Wording): string {
  const text = located(error, source.form, wording.errtags);
  return source.form === 'script'
    ? `${wording.command}: failed to compile script ${source.name}: ${text}`
    : `${wording.command}: invalid probe specifier ${source.name}: ${text}`;
}
