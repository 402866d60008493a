/**
 * What the two halves of a VM's buttons say to each other: the main thread's (`vmm/cli/power-service.ts`) and the VM's thread's (`power-extension.ts`).
 *
 * @module
 */
export const POWER_EXTENSION = new URL('./power-extension.ts', import.meta.url).href;

export type Button = 'power' | 'reset';

export interface PowerRequest {
  /** Tells the answers apart. */
  readonly number: number;
  readonly button: Button;
}

export interface PowerAnswer {
  readonly number: number;
  /** The guest has enabled the event; a reset needs no guest. */
  readonly heard: boolean;
}
