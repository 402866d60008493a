/**
 * A log that is read from its beginning as often as is wanted, so that little of it has to be kept.
 *
 * @module
 */
import type { ExitLogEnd, ExitLogReader } from './reader.ts';

export type EachExit = (records: DataView, at: number, chain: number) => boolean;
/** What is told of a record that is no exit. */
export type EachAside = (records: DataView, at: number) => void;

export interface RunLog {
  /** Calls for each exit, whose false ends the reading, and for each other record. */
  read(each: EachExit, aside?: EachAside): ExitLogEnd;
}

/** `open` opens it anew each time. */
export function runLog(open: () => ExitLogReader): RunLog {
  return {
    read(each, aside) {
      const log = open();
      try {
        return log.read(each, (view, at) => {
          aside?.(view, at);
          return true;
        });
      } finally {
        log.close();
      }
    },
  };
}
