/**
 * The buttons of a running VM, in its own thread: power and reset, pressed between two instructions.
 *
 * @module
 */
import type { Extension, ExtensionHost } from './extension.ts';
import type { PowerAnswer, PowerRequest } from './power-messages.ts';

export function extend({ buttons, post }: ExtensionHost): Extension {
  return {
    receive(message) {
      const { number, button } = message as PowerRequest;
      const heard = button === 'power' ? buttons.power() : buttons.reset();
      const answer: PowerAnswer = { number, heard };
      post(answer);
    },
    ended() {},
  };
}
