/**
 * The service `power` of a VM's socket: its buttons, and whether it runs.
 *
 * A channel is opened with `{ "action": "button" | "off" | "reset" | "state" }`; the answer is one JSON object, PowerReply. `button` presses the ACPI power
 * button, which is the guest's to act on; `off` ends the VM whatever its guest does.
 *
 * @module
 */
import { POWER_EXTENSION, type PowerAnswer, type PowerRequest } from '../power-messages.ts';
import type { VmService } from '../vm-socket-server.ts';
import type { ExtensionMessage } from '../worker-messages.ts';

export const POWER_SERVICE = 'power';
const ACTIONS = ['button', 'off', 'reset', 'state'] as const;
export type PowerAction = (typeof ACTIONS)[number];

export type VmState = 'running' | 'paused' | 'saving';

export interface PowerReply {
  readonly state: VmState;
  /** The guest listens to the button. */
  readonly heard: boolean;
}

export interface PowerSurroundings {
  /** What the VM does now. */
  state(): VmState;
  /** Ends the VM. */
  off(): void;
}

export class PowerService {
  readonly #around: PowerSurroundings;
  #send: (message: ExtensionMessage) => void = () => {};
  #number = 0;
  readonly #waiting = new Map<number, (answer: PowerAnswer) => void>();

  constructor(around: PowerSurroundings) {
    this.#around = around;
  }

  connect(send: (message: ExtensionMessage) => void): void {
    this.#send = send;
  }

  received({ extension, message }: ExtensionMessage): void {
    if (extension !== POWER_EXTENSION) return;
    const answer = message as PowerAnswer;
    this.#waiting.get(answer.number)?.(answer);
    this.#waiting.delete(answer.number);
  }

  readonly serve: VmService = (channel, request) => {
    const { action } = (request ?? {}) as { action?: unknown };
    if (!ACTIONS.includes(action as PowerAction)) throw new Error('not an action');
    const state = this.#around.state();
    const reply = (heard: boolean): void => {
      const answer: PowerReply = { state, heard };
      channel.send(JSON.stringify(answer));
    };
    if (action === 'button' || action === 'reset') {
      const message: PowerRequest = { number: ++this.#number, button: action === 'button' ? 'power' : 'reset' };
      this.#waiting.set(message.number, ({ heard }) => reply(heard));
      this.#send({ extension: POWER_EXTENSION, message });
      return {};
    }
    reply(true);
    if (action === 'off') this.#around.off();
    return {};
  };
}
