/**
 * The service `save` of a VM's socket: writes a snapshot of the running VM.
 *
 * A channel is opened with `{ "path": "/absolute/path" }`; the answer is one JSON object, SaveAnswer. The file is written by the VM's process.
 *
 * @module
 */
import { isAbsolute } from 'node:path';
import { SAVE_EXTENSION, type SaveAnswer, type SaveRequest } from '../save-messages.ts';
import type { VmService } from '../vm-socket-server.ts';
import type { ExtensionMessage } from '../worker-messages.ts';

export const SAVE_SERVICE = 'save';

export class SaveService {
  #send: (message: ExtensionMessage) => void = () => {};
  #number = 0;
  readonly #waiting = new Map<number, (answer: SaveAnswer) => void>();

  connect(send: (message: ExtensionMessage) => void): void {
    this.#send = send;
  }

  received({ extension, message }: ExtensionMessage): void {
    if (extension !== SAVE_EXTENSION) return;
    const answer = message as SaveAnswer;
    this.#waiting.get(answer.number)?.(answer);
    this.#waiting.delete(answer.number);
  }

  /** A snapshot is being written. */
  get busy(): boolean {
    return this.#waiting.size > 0;
  }

  readonly serve: VmService = (channel, request) => {
    const { path } = (request ?? {}) as { path?: unknown };
    if (typeof path !== 'string' || !isAbsolute(path)) throw new Error('path: an absolute path is needed');
    const number = ++this.#number;
    this.#waiting.set(number, (answer) => channel.send(JSON.stringify(answer)));
    const message: SaveRequest = { number, path };
    this.#send({ extension: SAVE_EXTENSION, message });
    return {};
  };
}
