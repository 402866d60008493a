/**
 * What the main thread and the tracer's extension of the VM's thread (`extension.ts`) say to each other: bodies of `ExtensionMessage`, plain data.
 *
 * Programs are named by numbers that the main thread gives. Everything about records goes through the arena; these are only for lives.
 *
 * @module
 */
import type { CompiledProgram } from '../program.ts';
import type { Lowered, Surroundings } from './arena-header.ts';

/** The tracer's extension, for `ExtensionMessage.extension`. */
export const TRACER_EXTENSION = new URL('./extension.ts', import.meta.url).href;

/** Main thread to the VM's. */
export type ToThread =
  | {
      readonly kind: 'enable';
      readonly id: number;
      readonly program: CompiledProgram;
      /** What the VM's own thread does not know; the rest it fills in. */
      readonly around: Surroundings;
      /** The VM waits when the ring is full. */
      readonly wait: boolean;
    }
  /** END fires, then it is STOPPED. */
  | { readonly kind: 'stop'; readonly id: number }
  /** Nobody needs its memory any more; one that still runs ends without END. */
  | { readonly kind: 'release'; readonly id: number }
  /** Its aggregations hold nothing any more. */
  | { readonly kind: 'forget'; readonly id: number }
  /** The VM does not go on (no instruction is run) until `resume`. */
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' };

/** The VM's thread to the main one. */
export type FromThread =
  /** It has its arena. Posted before BEGIN fires, so that somebody reads what BEGIN writes. */
  | { readonly kind: 'enabled'; readonly id: number; readonly arena: number; readonly lowered: Lowered }
  /** It could not be enabled: the reason as dtrace gives it. */
  | { readonly kind: 'refused'; readonly id: number; readonly reason: string }
  /** It is STOPPED: END has fired. */
  | { readonly kind: 'stopped'; readonly id: number }
  /** The VM stands: after `pause` (no id), stop() or breakpoint() (bits of ASK). `state`: registers and the instruction, for the monitor. */
  | { readonly kind: 'paused'; readonly id?: number; readonly what: number; readonly state: string }
  | { readonly kind: 'resumed' };
