/**
 * Saves a VM when its run has ended, in its own thread: a run that ends at a limit of instructions is saved at an instruction that is known.
 *
 * @module
 */
import type { Extension, ExtensionHost } from './extension.ts';
import { saveMachine } from './saved-machine.ts';
import { systemErrorText } from './system-error.ts';

export const SAVE_AT_END = import.meta.url;

export interface SaveAtEndRequest {
  readonly path: string;
}

/** How it went. */
export interface SavedAtEnd {
  /** Undefined: it is written. */
  readonly reason: string | undefined;
}

export function extend({ vm, options, post }: ExtensionHost): Extension {
  let path = '';
  return {
    receive(message) {
      ({ path } = message as SaveAtEndRequest);
    },
    ended() {
      let reason: string | undefined;
      try {
        saveMachine(path, vm, options);
      } catch (error) {
        reason = (error as NodeJS.ErrnoException).code === undefined ? (error as Error).message : systemErrorText(error);
      }
      const answer: SavedAtEnd = { reason };
      post(answer);
    },
  };
}
