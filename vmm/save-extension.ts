/**
 * Saving a running VM, in its own thread: between two instructions, which is where everything from outside arrives.
 *
 * @module
 */
import type { Extension, ExtensionHost } from './extension.ts';
import { filesOf, sameFile } from './run-files.ts';
import { saveMachine } from './saved-machine.ts';
import type { SaveAnswer, SaveRequest } from './save-messages.ts';
import { systemErrorText } from './system-error.ts';

export function extend({ vm, options, post }: ExtensionHost): Extension {
  const answer = (message: SaveAnswer): void => post(message);
  return {
    receive(message) {
      const { number, path } = message as SaveRequest;
      const taken = filesOf(options).find((file) => file.option !== '--restore' && sameFile(file.path, path));
      if (taken !== undefined) {
        answer({ number, ok: false, reason: `would overwrite ${taken.option} of this VM; give another file` });
        return;
      }
      try {
        const bytes = saveMachine(path, vm, options);
        const { instructions } = vm;
        answer({ number, ok: true, bytes, instructions });
      } catch (error) {
        answer({
          number,
          ok: false,
          reason: (error as NodeJS.ErrnoException).code === undefined ? (error as Error).message : systemErrorText(error),
        });
      }
    },
    ended() {},
  };
}
