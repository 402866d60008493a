/**
 * What the main thread and the VM's thread say to each other.
 *
 * Apart from `worker.ts`, because the main thread must not load the machine with it: that takes time before the guest starts, and memory.
 *
 * @module
 */
import type { ExitLogRequest } from './exit-log/messages.ts';
import type { MessagePort } from 'node:worker_threads';
import type { ShareOptions } from './shares.ts';
import type { WindowSize } from '../devices/virtio/console.ts';
import type { BootKind } from './boot/index.ts';
import type { SharedRing } from './console-ring.ts';
import type { DiskOptions } from './disks.ts';
import type { NicOptions } from '../devices/net/options.ts';
import type { NicRings } from '../devices/net/ring-backend.ts';
import type { CpuModel } from './cpu/cpuid.ts';
import type { ExitCosts } from './exit-cost.ts';
import type { Intercepts } from './intercepts.ts';
import type { KeyCodes } from './keyboard-input.ts';
import type { KstatPublication } from './kstat.ts';
import type { ListenAddress } from './metrics/listen-address.ts';
import type { Outcome, VmReport } from './report.ts';

/** One run, as plain data. */
export interface RunOptions {
  readonly name: string;
  readonly memory: number;
  /** One of these: a kernel, firmware to start in, or a snapshot to go on from. */
  readonly kernel?: string;
  readonly bios?: string;
  readonly restore?: string;
  readonly initrd?: string;
  readonly append: string;
  readonly kind?: BootKind;
  /** `stdio`: to the main thread; otherwise to a file, or nowhere. */
  readonly serial: 'stdio' | 'null' | { readonly file: string };
  readonly exitCosts: ExitCosts;
  readonly intercepts: Intercepts;
  readonly cpu?: CpuModel;
  readonly cpus?: number;
  readonly disks?: readonly DiskOptions[];
  /** What firmware tries first; default: disks. */
  readonly boot?: 'disk' | 'cdrom';
  readonly nics?: readonly NicOptions[];
  readonly rng?: boolean;
  readonly shares?: readonly ShareOptions[];
  readonly virtio?: 'pci' | 'mmio';
  readonly ecam?: boolean;
  readonly hpet?: boolean;
  /** The terminal is on a virtio console. */
  readonly console?: { readonly size?: WindowSize };
  /** A VGA, and the video BIOS that firmware runs for it. */
  readonly vga?: 'text';
  readonly vgaBios?: string;
  readonly debugExit?: number;
  readonly rtcEpoch?: number;
  /** Of everything that is random in the machine. */
  readonly seed?: number;
  readonly limits: { readonly insns?: number; readonly timeNs?: number; readonly wallMs?: number };
  /** `host`: the VM's clock is pulled along with the host's. */
  readonly clock: 'virtual' | 'host';
  /** `pace`: idle time passes at the host's speed, so that the VM's clock is never ahead of it. */
  readonly idle: 'skip' | 'pace';
  /** Where every VM exit is written. */
  readonly events?: ExitLogRequest;
  /** Where the main thread serves metrics. */
  readonly metrics?: ListenAddress;
  /** Input may come from the main thread. */
  readonly attached: boolean;
}

/** Something for an extension of the VM's thread (`extension.ts`), by the URL of its module. Plain data. */
export interface ExtensionMessage {
  readonly extension: string;
  readonly message: unknown;
}

/** What the main thread hands over, as its first and only message. */
export interface WorkerData {
  readonly options: RunOptions;
  /** The VM's number; see `vmm/runtime-directory.ts`. */
  readonly vmid: number;
  readonly module: WebAssembly.Module;
  readonly ring: SharedRing;
  /** Words of `SIGNAL`. */
  readonly signal: SharedArrayBuffer;
  readonly input: MessagePort;
  /** The block of the VGA (`devices/vga-state.ts`), when there is one. */
  readonly screen?: SharedArrayBuffer;
  /** For extensions, before the first instruction. */
  readonly extensions?: readonly ExtensionMessage[];
  /** For each NIC, if its back end is in the main thread. */
  readonly nicRings?: readonly (NicRings | undefined)[];
  /** Epoch milliseconds at which the process started. */
  readonly startedAt: number;
}

/** Words of the signal block: something to receive, and a request to end. */
export const SIGNAL = { INPUT: 0, QUIT: 1 } as const;

/** Keys for the PS/2 keyboard. */
export interface KeyMessage {
  readonly keys: readonly KeyCodes[];
}

/** Messages on the input port: bytes for the console; keys; null when the input has ended; something for an extension. */
export type InputMessage = Uint8Array | KeyMessage | null | ExtensionMessage;

/** The VM exists and is about to run: all that other threads need to see into it. */
export interface Started {
  readonly kind: 'started';
  /** The VM's whole memory. */
  readonly memory: ArrayBufferLike;
  readonly kstats: KstatPublication;
  readonly vcpus: number;
}

/** Messages from the VM's thread. */
export type WorkerMessage =
  | { readonly kind: 'console' }
  /** A NIC's ring has frames, or has room again. */
  | { readonly kind: 'frames' }
  /** Something that the user is to know of a NIC, a disk or another part; the guest goes on. */
  | { readonly kind: 'warning'; readonly text: string }
  | Started
  | { readonly kind: 'extension'; readonly extension: string; readonly message: unknown }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }
  | {
      readonly kind: 'ended';
      readonly outcome: Outcome;
      readonly report: VmReport;
      readonly death: string | undefined;
      readonly startupMs: number;
      readonly runMs: number;
    };
