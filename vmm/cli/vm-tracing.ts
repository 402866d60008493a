/**
 * The tracer's share in a running VM: carries messages between the main thread's side (`probes/session/vm-host.ts`) and the VM's thread, and knows
 * what a program is told of this VM.
 *
 * A VM that `dlite -c` started waits before its first instruction until the tracer is ready (HOLD in the environment), but not for a tracer that
 * never comes.
 *
 * @module
 */
import { DEFAULT_EPOCH_SECONDS } from '../../devices/rtc.ts';
import { type FromThread, type ToThread, TRACER_EXTENSION } from '../../probes/engine/thread-messages.ts';
import { pauseText } from '../../probes/session/pause-text.ts';
import { VmTraceHost } from '../../probes/session/vm-host.ts';
import type { ExtensionMessage, RunOptions } from '../worker-messages.ts';

/** Environment variable: the VM is to wait for its tracer. */
export const HOLD = 'LUCID_HOLD';
const HOLD_MS = 30_000;

export class VmTracing {
  readonly host: VmTraceHost;
  #early: ExtensionMessage[] | undefined = [];
  #send: (message: ExtensionMessage) => void = () => {};
  #held = false;

  constructor({ name, rtcEpoch, seed }: Pick<RunOptions, 'name' | 'rtcEpoch' | 'seed'>, vmid: number) {
    const around = {
      pid: process.pid,
      vmid,
      execname: name,
      vmname: name,
      zonename: name,
      // The VM's own time, not the host's: a trace repeats.
      epochNs: BigInt(rtcEpoch ?? DEFAULT_EPOCH_SECONDS) * 1_000_000_000n,
      seed: BigInt(seed ?? 0),
    };
    this.host = new VmTraceHost(around, (message) => this.#post(message));
    this.host.onPause((pause) => {
      if (!this.#held) process.stderr.write(`lucid: ${pauseText(pause, { name, pid: process.pid })}\n`);
    });
    if (process.env[HOLD] === undefined) return;
    // Not for what this process starts.
    delete process.env[HOLD];
    this.#held = true;
    this.host.hold();
    setTimeout(this.go, HOLD_MS).unref();
  }

  #post(message: ToThread): void {
    const wrapped = { extension: TRACER_EXTENSION, message };
    if (this.#early === undefined) this.#send(wrapped);
    else this.#early.push(wrapped);
  }

  /** It waits for its tracer. */
  get isHeld(): boolean {
    return this.#held;
  }

  /** What the VM's thread is to do before the first instruction; later messages go where `connect` says. */
  early(): readonly ExtensionMessage[] {
    const early = this.#early ?? [];
    this.#early = undefined;
    // In what order programs and the hold were asked for does not matter, but nothing is handled while the VM is held.
    return [...early].sort((a, b) => Number(isHold(a)) - Number(isHold(b)));
  }

  connect(send: (message: ExtensionMessage) => void): void {
    this.#send = send;
  }

  started(memory: ArrayBufferLike): void {
    this.host.started(memory);
  }

  received({ extension, message }: ExtensionMessage): void {
    if (extension === TRACER_EXTENSION) this.host.received(message as FromThread);
  }

  /** The VM's thread has ended. Any number of times. */
  ended(): void {
    this.host.ended();
  }

  /** The tracer is ready. */
  readonly go = (): void => {
    if (!this.#held) return;
    this.#held = false;
    this.host.resume();
  };
}

function isHold({ message }: ExtensionMessage): boolean {
  return (message as ToThread).kind === 'pause';
}
