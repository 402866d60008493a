/**
 * Extensions of the VM's thread: parts that are not the VM's own, such as a tracer, of which this side of the tree knows nothing.
 *
 * An extension is a module with an exported function `extend`. Messages for it arrive as everything from outside does, at slice ends, and name it
 * by its URL; it is loaded when the first one comes, at once and without yielding (`require` of an ES module), so a run that has none pays nothing.
 * Messages that come with the run's options are handled before the first instruction.
 *
 * @module
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Vm } from './vm.ts';
import type { ExtensionMessage, RunOptions } from './worker-messages.ts';

/** What a person may press from outside, between two instructions. */
export interface Buttons {
  /** The power button; false when the guest does not listen to it. */
  power(): boolean;
  reset(): boolean;
}

/** What an extension may do with its thread. */
export interface ExtensionHost {
  readonly vm: Vm;
  readonly options: RunOptions;
  readonly buttons: Buttons;
  /** Tells the extension's other half, in the main thread. */
  post(message: unknown): void;
  /** Lets nothing happen until something comes from outside, and handles that. False: the run is to end. */
  wait(): boolean;
}

export interface Extension {
  /** In the VM's thread, between two instructions. */
  receive(message: unknown): void;
  /** The guest has run for the last time. */
  ended(): void;
}

export type Extend = (host: ExtensionHost) => Extension;

const load = createRequire(import.meta.url);

/** The extensions of one run. */
export class Extensions {
  readonly #host: (extension: string) => ExtensionHost;
  readonly #loaded = new Map<string, Extension>();

  constructor(host: (extension: string) => ExtensionHost) {
    this.#host = host;
  }

  receive({ extension, message }: ExtensionMessage): void {
    let loaded = this.#loaded.get(extension);
    if (loaded === undefined) {
      const { extend } = load(fileURLToPath(extension)) as { extend: Extend };
      loaded = extend(this.#host(extension));
      this.#loaded.set(extension, loaded);
    }
    loaded.receive(message);
  }

  ended(): void {
    for (const extension of this.#loaded.values()) extension.ended();
  }
}
