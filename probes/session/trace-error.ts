/** @module */

/** Why a program cannot be traced with; the whole message but for the command's name. Exit status 1. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
  /** The VM went away: it may be that another one serves as well. */
  readonly gone: boolean;
  /** The program compiled, and was not quiet: probes matched by each source, which are told before the error. */
  readonly matched: readonly number[] | undefined;

  constructor(message: string, { gone = false, matched }: { readonly gone?: boolean; readonly matched?: readonly number[] } = {}) {
    super(message);
    this.gone = gone;
    this.matched = matched;
  }
}
