/** @module */

/** Why a program cannot be traced with; the whole message but for the command's name. Exit status 1. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
  /** The VM went away: it may be that another one serves as well. */
  readonly gone: boolean;

  constructor(message: string, gone = false) {
    super(message);
    this.gone = gone;
  }
}
