/** @module */

/** Why a program cannot be traced with; the whole message but for the command's name. Exit status 1. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
}
