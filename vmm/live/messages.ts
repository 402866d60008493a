/**
 * What the main thread and the extension of the VM's thread that steps a guest from mark to mark (`extension.ts`) say to each other.
 *
 * @module
 */
import type { Registers, SpecialRegisters } from '../cpu/registers.ts';
import type { Mark, MetMark } from '../exit-log/marks.ts';
import type { Button } from '../power-messages.ts';

export const LIVE_EXTENSION = new URL('./extension.ts', import.meta.url).href;

/** Where to stand at the latest, from where the guest stands now. */
export interface StepLimits {
  readonly insns?: number;
  readonly timeNs?: number;
}

/** Registers of one vCPU. */
export interface VcpuRegisters extends Registers, SpecialRegisters {}

/** What can be asked of a guest that stands. */
export type Question =
  | { readonly kind: 'registers'; readonly vcpu: number }
  /** Of guest physical memory, or of the linear addresses of a vCPU. */
  | { readonly kind: 'memory'; readonly address: bigint; readonly length: number; readonly linearOf?: number }
  | { readonly kind: 'snapshot'; readonly path: string }
  | { readonly kind: 'press'; readonly button: Button }
  /** Whether all that was sent before has been taken. */
  | { readonly kind: 'taken' };

export interface Answers {
  registers: VcpuRegisters;
  memory: Uint8Array;
  snapshot: number;
  press: boolean;
  taken: undefined;
}

/** Main thread to the VM's. */
export type ToLive =
  /** The first, before the first instruction: where to write the log of exits, the word of its keeper for call chains, addresses to watch all the time. The guest stands at once. */
  | { readonly kind: 'begin'; readonly log: number; readonly frames: number; readonly watch?: readonly bigint[] }
  /** Goes on: to a mark, to a limit, or to the end. */
  | { readonly kind: 'go'; readonly mark?: Mark; readonly limits: StepLimits }
  /** Stands at the next slice end. */
  | { readonly kind: 'hold' }
  | { readonly kind: 'ask'; readonly number: number; readonly question: Question };

/** Why the guest stands. `end`: it has run for the last time. */
export type Standing = 'start' | 'mark' | 'insns' | 'time' | 'held' | 'end';

/** The VM's thread to the main one. */
export type FromLive =
  | {
      readonly kind: 'stands';
      readonly why: Standing;
      /** The mark that was met; it may be met by the guest's last exit. */
      readonly met?: MetMark;
      /** Where it stands: the VM's clock, instructions of all vCPUs, exits so far. */
      readonly timeNs: number;
      readonly instructions: number;
      readonly exits: number;
      /** Bytes that it had written to a virtio console. */
      readonly said: number;
    }
  | { readonly kind: 'answer'; readonly number: number; readonly value?: unknown; readonly refused?: string }
  /** The log of exits cannot be written. */
  | { readonly kind: 'broken'; readonly reason: string };
