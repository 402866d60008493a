/**
 * A guest that is stepped: the main thread's side of `vmm/live/extension.ts`.
 *
 * The guest runs in its own thread and stands whenever nobody has asked it to go on; standing, it keeps no process alive. Its log of exits is a file without a name
 * (it is unlinked as soon as it is open), so that nothing is left of it however the process ends.
 *
 * @module
 */
import { closeSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { VmTraceHost } from '../../../probes/session/vm-host.ts';
import { EXIT_RECORD } from '../../cpu/layout.ts';
import type { Mark } from '../../exit-log/marks.ts';
import { KstatRegistry, type KstatSnapshot } from '../../kstat.ts';
import { type Answers, type FromLive, LIVE_EXTENSION, type Question, type ToLive } from '../../live/messages.ts';
import { systemErrorText } from '../../system-error.ts';
import type { RunOptions, Started } from '../../worker-messages.ts';
import { type Limits, UsageError } from '../options.ts';
import { Interrupted, runSession, type SessionControl, type SessionResult } from '../session.ts';

/** Where and why a guest stands. */
export type Stood = Extract<FromLive, { kind: 'stands' }>;

/** The guest runs, or has ended, where it must stand. */
export class GuestStateError extends Error {
  override readonly name = 'GuestStateError';
}

export interface LiveOptions {
  /** Call chains are kept with each exit. */
  readonly stack: boolean;
  /** Addresses that are watched all the time, so that the log has their marks. */
  readonly watch?: readonly bigint[];
  /** Signals that end a program end the guest first. */
  readonly signals: boolean;
}

const CONSOLE_KEPT = 4000;

/** What another console than COM1 said last. */
class LastWords extends Writable {
  text = '';

  override _write(bytes: Uint8Array, _encoding: string, done: () => void): void {
    this.text = (this.text + Buffer.from(bytes).toString('latin1')).slice(-CONSOLE_KEPT);
    done();
  }
}

let logs = 0;

/** A file that has no name any more. Throws UsageError. */
function openNameless(): number {
  const path = join(tmpdir(), `lucid-exits-${process.pid}-${++logs}`);
  try {
    const fd = openSync(path, 'wx+', 0o600);
    rmSync(path);
    return fd;
  } catch (error) {
    throw new UsageError(`${path}: ${systemErrorText(error)}; the exits are kept there (TMPDIR names another directory)`);
  }
}

export class LiveSession {
  /** The log of exits, whole up to where the guest stands. */
  readonly log: number;
  readonly #words = new LastWords();
  readonly #done: Promise<void>;
  readonly #answers = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #state: 'runs' | 'stands' | 'ended' | 'failed' | 'closed' = 'runs';
  #control: SessionControl | undefined;
  #started: Started | undefined;
  #going = Promise.withResolvers<Stood>();
  #stood: Stood | undefined;
  #questions = 0;
  #awaited = 0;
  #result: SessionResult | undefined;
  #failure: Error | undefined;
  /** Somebody was told of the failure. */
  #told = false;

  private constructor(run: RunOptions, { stack, watch, signals }: LiveOptions) {
    this.log = openNameless();
    const begin: ToLive = { kind: 'begin', log: this.log, frames: stack ? EXIT_RECORD.CHAIN_MAX + 1 : 0, watch };
    this.#done = runSession({
      run,
      output: this.#words as unknown as NodeJS.WriteStream,
      extensions: [{ extension: LIVE_EXTENSION, message: begin }],
      started: (vm) => {
        this.#started = vm;
      },
      received: ({ extension, message }) => {
        if (extension === LIVE_EXTENSION) this.#received(message as FromLive);
      },
      control: (control) => {
        this.#control = control;
      },
      signals,
    }).then(
      (result) => this.#ended(result),
      (error: Error) => this.#failed(error),
    );
  }

  /** Starts a guest; it stands before its first instruction. Throws UsageError, Interrupted. */
  static async start(run: RunOptions, options: LiveOptions): Promise<LiveSession> {
    const session = new LiveSession(run, options);
    try {
      await session.awaited(session.#going.promise);
    } catch (error) {
      await session.close();
      throw error;
    }
    return session;
  }

  #received(message: FromLive): void {
    switch (message.kind) {
      case 'stands':
        this.#stood = message;
        // The rest of an end comes from the session.
        if (message.why !== 'end') this.#stand(message);
        return;
      case 'answer': {
        const waiting = this.#answers.get(message.number);
        this.#answers.delete(message.number);
        if (message.refused === undefined) waiting?.resolve(message.value);
        else waiting?.reject(new UsageError(message.refused));
        return;
      }
      case 'broken':
        this.#failure ??= new UsageError(`the log of exits cannot be kept: ${message.reason}; it is in ${tmpdir()} (TMPDIR names another)`);
        this.#control?.stop();
    }
  }

  #stand(stood: Stood): void {
    this.#state = 'stands';
    this.#going.resolve(stood);
  }

  #ended(result: SessionResult): void {
    this.#result = result;
    if (this.#failure !== undefined || this.#stood?.why !== 'end') {
      this.#failed(this.#failure ?? new Error("the VM's thread did not say where it ended"));
      return;
    }
    this.#state = 'ended';
    this.#release();
    this.#going.resolve(this.#stood);
  }

  #failed(error: Error): void {
    this.#failure = error;
    this.#state = 'failed';
    this.#release();
    // Whoever waits is told; without anybody, the next call is, or `close`.
    this.#going.promise.catch(() => {
      this.#told = true;
    });
    this.#going.reject(error);
  }

  #release(): void {
    for (const { reject } of this.#answers.values()) reject(new GuestStateError('the guest has ended'));
    this.#answers.clear();
  }

  /** Goes on, to a mark or a limit or the end. Throws GuestStateError, and what the session failed with. */
  async go(mark: Mark | undefined, limits: Limits): Promise<Stood> {
    this.checkStanding('the guest cannot go on');
    this.#state = 'runs';
    this.#going = Promise.withResolvers();
    const { wallMs, ...steps } = limits;
    this.#tell({ kind: 'go', ...(mark && { mark }), limits: steps });
    const hold = wallMs === undefined ? undefined : setTimeout(() => this.#tell({ kind: 'hold' }), wallMs);
    try {
      return await this.awaited(this.#going.promise);
    } finally {
      clearTimeout(hold);
    }
  }

  #tell(message: ToLive): void {
    this.#control?.tell({ extension: LIVE_EXTENSION, message });
  }

  /** Throws GuestStateError, and what the session failed with. */
  checkStanding(what: string): void {
    this.checkQuiet(what);
    if (this.#state === 'ended') throw new GuestStateError(`${what}: the guest has ended`);
  }

  /** The same, but it may have ended. */
  checkQuiet(what: string): void {
    if (this.#state === 'failed') {
      this.#told = true;
      throw this.#failure;
    }
    if (this.#state === 'runs') throw new GuestStateError(`${what}: the guest is running; await until() or run() first`);
    if (this.#state === 'closed') throw new GuestStateError(`${what}: the guest was closed`);
  }

  /** Throws UsageError when it is refused. */
  ask<K extends Question['kind']>(question: Extract<Question, { kind: K }>): Promise<Answers[K]> {
    const number = ++this.#questions;
    const answer = new Promise((resolve, reject) => this.#answers.set(number, { resolve, reject }));
    this.#tell({ kind: 'ask', number, question });
    return this.awaited(answer) as Promise<Answers[K]>;
  }

  /** The process does not end before this has come; it may while the guest stands and nobody waits for anything. */
  async awaited<T>(what: Promise<T>): Promise<T> {
    this.#awaited++;
    this.#control?.keepAlive(true);
    try {
      return await what;
    } finally {
      if (--this.#awaited === 0) this.#control?.keepAlive(false);
    }
  }

  type(text: string): void {
    this.#control?.type(text);
  }

  get tracing(): VmTraceHost {
    return (this.#control as SessionControl).tracing;
  }

  /** Where it stands. */
  get stood(): Stood {
    return this.#stood as Stood;
  }

  /** What it came to; undefined while it may go on. */
  get result(): SessionResult | undefined {
    return this.#result;
  }

  /** What another console than COM1 said last. */
  get otherConsole(): string {
    return this.#words.text;
  }

  get vcpus(): number {
    return this.#started?.vcpus ?? 1;
  }

  /** Where it stands. The VM's number is in names of its statistics (`kvm:0:vcpu-7`); it depends on what else runs on the host, so here it is 0. */
  get kstats(): KstatSnapshot[] {
    const { memory, kstats } = this.#started as Started;
    return renumbered(KstatRegistry.adopt(memory, kstats).readAll());
  }

  /** Ends the guest where it stands; resolves when it has. */
  async stop(): Promise<void> {
    if (this.#state === 'runs' || this.#state === 'stands') {
      this.#state = 'runs';
      this.#control?.stop();
    }
    await this.awaited(this.#done);
  }

  /** Ends the guest, whatever it does, and gives back all that it has. Throws what the session failed with, when nobody was told yet. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    await this.stop();
    // Whoever waited for it looks at its log first.
    await new Promise((resolve) => setImmediate(resolve));
    if ((this.#state as string) === 'closed') return;
    this.#state = 'closed';
    closeSync(this.log);
    if (this.#failure !== undefined && !this.#told && !(this.#failure instanceof Interrupted)) throw this.#failure;
  }
}

function renumbered(kstats: readonly KstatSnapshot[]): KstatSnapshot[] {
  const vmid = kstats.find(({ module, name }) => module === 'kvm' && name === 'vm')?.instance;
  return kstats.map((one) => {
    if (one.module === 'kvm' && one.name === 'vm') return { ...one, instance: 0 };
    const [, own] = /^(.*)-(\d+)$/.exec(one.name) ?? [];
    return own !== undefined && one.name === `${own}-${vmid}` ? { ...one, name: `${own}-0` } : one;
  });
}
