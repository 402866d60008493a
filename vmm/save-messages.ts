/**
 * What the two halves of saving a VM say to each other: the main thread's (`vmm/cli/save-service.ts`) and the VM's thread's (`save-extension.ts`).
 *
 * @module
 */
export const SAVE_EXTENSION = new URL('./save-extension.ts', import.meta.url).href;

export interface SaveRequest {
  /** Tells the answers apart. */
  readonly number: number;
  readonly path: string;
}

export type SaveAnswer =
  | { readonly number: number; readonly ok: true; readonly bytes: number; readonly instructions: number }
  | { readonly number: number; readonly ok: false; readonly reason: string };
