/**
 * What the main thread and the keeper of the exit log in the VM's thread (`extension.ts`) say to each other.
 *
 * @module
 */
export const EXIT_LOG_EXTENSION = new URL('./extension.ts', import.meta.url).href;

export interface ExitLogRequest {
  readonly path: string;
  readonly format: 'binary' | 'json';
  /** 0, or one more than the return addresses (0 to 12) to note with each exit, beside its instruction. */
  readonly frames: number;
  /** Linear addresses that are watched, so that marks can be there; at most WATCH_MAX. */
  readonly watch?: readonly bigint[];
}

/** The file cannot be written any more: it ends after so many records. */
export interface ExitLogFailure {
  readonly path: string;
  readonly reason: string;
  readonly records: number;
}
