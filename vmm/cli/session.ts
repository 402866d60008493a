/**
 * One VM in its own thread, with the person's terminal on its console: the main thread's side of `vmm/worker.ts`.
 *
 * @module
 */
import { MessageChannel, type Worker } from 'node:worker_threads';
import { createRing, RingReader } from '../console-ring.ts';
import { compileCore } from '../cpu/core.ts';
import type { VmTraceHost } from '../../probes/session/vm-host.ts';
import { late } from '../late.ts';
import type { KeyCodes } from '../keyboard-input.ts';
import type { HostReport, Outcome, VmReport } from '../report.ts';
import { type ExtensionMessage, type RunOptions, SIGNAL, type Started, type WorkerData, type WorkerMessage } from '../worker-messages.ts';
import { KEYBOARD_SERVICE, keyboardService } from './keyboard-service.ts';
import { eventsMessages, eventsReceived } from './events-option.ts';
import { UsageError } from './options.ts';
import type { NicService } from './nic-service.ts';
import { PowerService, type VmState } from './power-service.ts';
import { PublishedVm } from './published-vm.ts';
import { SaveService } from './save-service.ts';
import type { ScreenAnswer } from './screen-session.ts';
import type { Terminal } from './terminal.ts';
import { takeThread } from './vm-thread.ts';
import { VmTracing } from './vm-tracing.ts';

// What few runs have.
const lateScreen = late<typeof import('./screen-session.ts')>(new URL('./screen-session.ts', import.meta.url));
const lateKeyCodes = late<typeof import('./key-codes.ts')>(new URL('./key-codes.ts', import.meta.url));
const lateTerminalKeys = late<typeof import('./terminal-keys.ts')>(new URL('./terminal-keys.ts', import.meta.url));
const lateTerminal = late<typeof import('./terminal.ts')>(new URL('./terminal.ts', import.meta.url));
const lateNics = late<typeof import('./nic-service.ts')>(new URL('./nic-service.ts', import.meta.url));
const lateMetrics = late<typeof import('./metrics-service.ts')>(new URL('./metrics-service.ts', import.meta.url));

/** What a run came to. */
export interface SessionResult {
  readonly outcome: Outcome;
  readonly report: VmReport;
  readonly host: HostReport;
  /** Registers, disassembly and last exits of a guest that died. */
  readonly death: string | undefined;
  /** What the VGA showed at the end. */
  readonly screen: ScreenAnswer | undefined;
}

export interface SessionOptions {
  readonly run: RunOptions;
  /** Where the console's output goes. */
  readonly output: NodeJS.WriteStream;
  /** A program that traces the VM from its first instruction on. */
  readonly trace?: InlineTrace;
  /** The VM exists and is about to run. */
  readonly started?: (vm: Started) => void;
  /** For an extension of the VM's thread, before the first instruction, and what extensions say. */
  readonly extensions?: readonly ExtensionMessage[];
  readonly received?: (message: ExtensionMessage) => void;
  /** Gets the means to act on the run, before it starts. */
  readonly control?: (control: SessionControl) => void;
  /** False: signals that end a program are left to whoever else is in this process. */
  readonly signals?: boolean;
}

/** What the process that runs a VM can do to it. */
export interface SessionControl {
  readonly tracing: VmTraceHost;
  /** For an extension of the VM's thread. */
  tell(message: ExtensionMessage): void;
  /** Types on the console: the serial or virtio console, or the keyboard of a guest with a screen. */
  type(text: string): void;
  /** Ends the run as stopped, whatever its guest does. */
  stop(): void;
  /** Whether the run keeps the process alive; it does unless told otherwise. */
  keepAlive(on: boolean): void;
}

/** Whether the console has something to say that is not yet written. */
export interface ConsoleState {
  readonly idle: boolean;
  whenIdle: () => void;
}

/** Tracing that belongs to the run itself. */
export interface InlineTrace {
  /**
   * Before the VM's thread starts: what is enabled now is there before the first instruction. Rejects when it cannot be. What it writes where the
   * console goes comes after all that the console has to say (`idle`); `console.whenIdle` tells when that is so again.
   */
  start(host: VmTraceHost, console: ConsoleState): Promise<void>;
  /** The VM has run for the last time: resolves when all output is written. */
  finish(): Promise<void>;
}

/** The run was interrupted and did not end of itself: there is nothing to report. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super(outcome.kind);
    this.outcome = outcome;
  }
}

/** How long an interrupted run may take to end. */
const PATIENCE_MS = 2000;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Lets `act` handle the signals that end a program, instead of whatever did; the function returned puts that back. */
function onInterruption(act: () => void): () => void {
  const before = SIGNALS.map((name) => process.listeners(name));
  for (const name of SIGNALS) {
    process.on(name, act);
    for (const listener of before[SIGNALS.indexOf(name)] as (() => void)[]) process.off(name, listener);
  }
  return () => {
    SIGNALS.forEach((name, i) => {
      for (const listener of before[i] as (() => void)[]) process.on(name, listener);
      process.off(name, act);
    });
  };
}

/** Runs a guest to its end. Throws UsageError for a file or option that the VM's thread refuses, Interrupted. */
export async function runSession(options: SessionOptions): Promise<SessionResult> {
  const { run, output, trace, started, extensions = [], received, control, signals = true } = options;
  const module = await compileCore();
  const ring = createRing();
  const signal = new Int32Array(new SharedArrayBuffer(8));
  const { port1, port2 } = new MessageChannel();
  const screen = run.vga === undefined ? undefined : new (lateScreen().ScreenSession)();
  const published = PublishedVm.claim(run.name);
  const tracing = new VmTracing(run, published.vmid);
  const pump = new ConsolePump(new RingReader(ring), output);
  const enabled = trace?.start(tracing.host, pump);
  const wake = (word: number): void => {
    Atomics.store(signal, word, 1);
    Atomics.store(signal, SIGNAL.INPUT, 1);
    Atomics.notify(signal, SIGNAL.INPUT);
  };
  let stopped = false;
  const saving = new SaveService();
  const state = (): VmState => (saving.busy ? 'saving' : tracing.host.pause === undefined ? 'running' : 'paused');
  const metrics = run.metrics === undefined ? undefined : await lateMetrics().MetricsService.open(run.metrics, state);
  const nics = await openNics(run, () => wake(SIGNAL.INPUT));
  const data: WorkerData = {
    options: run,
    vmid: published.vmid,
    module,
    ring,
    signal: signal.buffer,
    input: port2,
    screen: screen?.state,
    extensions: [...eventsMessages(run.events), ...tracing.early(), ...extensions],
    nicRings: nics?.rings,
    startedAt: performance.timeOrigin,
  };
  const worker = takeThread();
  worker.postMessage(data, [port2]);
  const tell = (message: ExtensionMessage): void => {
    port1.postMessage(message);
    wake(SIGNAL.INPUT);
  };
  const type = (keys: readonly KeyCodes[]): void => {
    port1.postMessage({ keys });
    wake(SIGNAL.INPUT);
  };
  tracing.connect(tell);
  saving.connect(tell);
  const stop = (): void => {
    stopped = true;
    quit();
  };
  const power = new PowerService({
    state,
    off: stop,
  });
  power.connect(tell);
  let giveUp = (): void => {};
  const stuck = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(new Interrupted({ kind: stopped ? 'stopped' : 'interrupted' }));
    enabled?.catch(reject);
  });
  let quitting = false;
  const quit = (): void => {
    // The guest's thread looks up at its next slice. Asked twice, or if something keeps it (a reader that does not read), it is left behind.
    if (quitting) giveUp();
    quitting = true;
    wake(SIGNAL.QUIT);
    setTimeout(giveUp, PATIENCE_MS).unref();
  };
  const input = (bytes: Uint8Array): void => {
    if (run.vga === undefined) port1.postMessage(Uint8Array.from(bytes));
    else type(keysOf(bytes));
  };
  control?.({
    tracing: tracing.host,
    tell,
    type: (text) => {
      input(Buffer.from(text));
      wake(SIGNAL.INPUT);
    },
    stop,
    keepAlive: (on) => (on ? worker.ref() : worker.unref()),
  });
  const terminal = run.attached
    ? openTerminal(
        (bytes) => {
          if (run.vga !== undefined) screen?.redraw();
          input(bytes);
        },
        () => port1.postMessage(null),
        wake,
        quit,
        () => screen?.scribbled(),
      )
    : undefined;
  const release = signals ? onInterruption(quit) : () => {};
  worker.on('message', (message: WorkerMessage) => {
    if (message.kind === 'started') {
      tracing.started(message.memory);
      started?.(message);
      metrics?.started(run.name, message);
      published.open(message, tracing, saving, power, {
        [KEYBOARD_SERVICE]: keyboardService(type),
        ...(screen === undefined ? undefined : { [lateScreen().SCREEN_SERVICE]: screen.serve }),
      });
      screen?.started(message.memory, output);
    } else if (message.kind === 'frames') nics?.move();
    else if (message.kind === 'warning') process.stderr.write(`lucid: ${message.text}\n`);
    else if (message.kind === 'extension') {
      tracing.received(message);
      eventsReceived(message);
      saving.received(message);
      power.received(message);
      received?.(message);
    }
  });
  // Whoever reads the console went away (a closed pipe): the guest ends, as a terminal that hangs up ends its session.
  output.on('error', quit);
  try {
    const ended = await Promise.race([follow(worker, pump, quit), stuck]);
    tracing.ended();
    metrics?.ended();
    await Promise.race([Promise.all([trace?.finish(), published.finish()]), stuck]);
    const cpu = process.cpuUsage();
    const cpuSeconds = (cpu.user + cpu.system) / 1e6;
    const host: HostReport = {
      wallSeconds: performance.now() / 1000,
      cpuSeconds,
      mips: ended.report.instructions / 1e6 / Math.max(cpuSeconds, 1e-3),
      startupMs: ended.startupMs,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    };
    const outcome: Outcome = stopped && ended.outcome.kind === 'interrupted' ? { kind: 'stopped' } : ended.outcome;
    const shown = screen?.read();
    return {
      outcome,
      report: ended.report,
      host,
      death: ended.death,
      screen: shown === undefined ? undefined : lateScreen().answerOf(shown),
    };
  } finally {
    release();
    tracing.ended();
    metrics?.close();
    nics?.close();
    published.close();
    output.off('error', quit);
    screen?.close();
    terminal?.restore();
    port1.close();
    await worker.terminate();
  }
}

async function openNics({ nics = [], seed = 0 }: RunOptions, wake: () => void): Promise<NicService | undefined> {
  return nics.length === 0 ? undefined : lateNics().NicService.open(nics, seed, wake);
}

/** What the keyboard sends for what a person types on the terminal. */
function keysOf(bytes: Uint8Array): KeyCodes[] {
  return lateTerminalKeys().strokesOf(Buffer.from(bytes).toString('latin1')).flatMap(lateKeyCodes().codesOf);
}

function openTerminal(
  input: (bytes: Uint8Array) => void,
  end: () => void,
  wake: (word: number) => void,
  quit: () => void,
  wrote: () => void,
): Terminal {
  const terminal = new (lateTerminal().Terminal)({
    input(bytes) {
      input(bytes);
      wake(SIGNAL.INPUT);
    },
    end() {
      end();
      wake(SIGNAL.INPUT);
    },
    quit,
    wrote,
  });
  terminal.open();
  return terminal;
}

type Ended = Extract<WorkerMessage, { kind: 'ended' }>;

/** Moves console output from the VM's thread to a stream. */
class ConsolePump implements ConsoleState {
  readonly #ring: RingReader;
  readonly #output: NodeJS.WriteStream;
  #writing = false;
  /** All that was there is written. */
  whenIdle = (): void => {};

  constructor(ring: RingReader, output: NodeJS.WriteStream) {
    this.#ring = ring;
    this.#output = output;
  }

  get idle(): boolean {
    return !this.#writing && this.#ring.isEmpty;
  }

  /** Writes what there is; `done` is called when nothing is left, `failed` when it cannot be written. */
  move(done: () => void, failed: () => void): void {
    if (this.#writing) return;
    const bytes = this.#ring.take();
    if (bytes.length === 0) {
      this.whenIdle();
      done();
      return;
    }
    this.#writing = true;
    this.#output.write(bytes, (error) => {
      this.#ring.release(bytes.length);
      this.#writing = false;
      if (error) failed();
      this.move(done, failed);
    });
  }
}

/** Moves console output until the VM's thread reports its end. */
function follow(worker: Worker, console: ConsolePump, quit: () => void): Promise<Ended> {
  return new Promise((resolve, reject) => {
    let ended: Ended | undefined;
    const done = (): void => {
      if (ended !== undefined) resolve(ended);
    };
    const pump = (): void => console.move(done, quit);
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'refused') reject(new UsageError(message.reason));
      else if (message.kind === 'failed') reject(new Error(message.reason));
      else if (message.kind === 'ended') ended = message;
      pump();
    });
    worker.on('error', reject);
    worker.on('exit', (code) => {
      if (ended === undefined) reject(new Error(`the VM's thread ended early (${code})`));
    });
  });
}
