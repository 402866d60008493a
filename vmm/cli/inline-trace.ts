/**
 * `lucid run -n PROGRAM`, `-s FILE`: a D program from the VM's first instruction to its last, in the VM's own process.
 *
 * The VM waits when its trace is not read fast enough, which takes none of its time: the trace is complete and the same in every run.
 *
 * @module
 */
import { compile } from '../../probes/d/compile.ts';
import { isSet } from '../../probes/options.ts';
import type { CompiledProgram } from '../../probes/program.ts';
import { ProbeRegistry } from '../../probes/providers/registry.ts';
import { Conductor } from '../../probes/session/conductor.ts';
import type { Enabled } from '../../probes/session/messages.ts';
import { type Drain, PrintedOutput } from '../../probes/session/printed-output.ts';
import { runProgram } from '../../probes/session/program.ts';
import { refusal } from '../../probes/session/refusal.ts';
import { localEnvironment } from '../../probes/session/request.ts';
import { TraceError } from '../../probes/session/trace-error.ts';
import type { VmTraceHost } from '../../probes/session/vm-host.ts';
import { NOTHING, type TraceArguments } from './dlite-options.ts';
import { UsageError } from './options.ts';
import type { ConsoleState, InlineTrace } from './session.ts';
import { FileDrain, StreamDrain, type TraceDrain } from './trace-drain.ts';
import { matchedText, traceRequest } from './trace-request.ts';

const COMMAND = 'lucid';

function say(text: string): void {
  process.stderr.write(`${COMMAND}: ${text}\n`);
}

/** Lets the console finish what it has to say. */
class AfterConsole implements Drain {
  readonly #drain: Drain;
  readonly #console: ConsoleState;

  constructor(drain: Drain, console: ConsoleState) {
    this.#drain = drain;
    this.#console = console;
  }

  get isFull(): boolean {
    return this.#drain.isFull || !this.#console.idle;
  }

  write(bytes: Uint8Array): void {
    this.#drain.write(bytes);
  }
}

function tellNotes({ notes }: Enabled): void {
  for (const note of notes) say(note);
}

class RunTrace implements InlineTrace {
  readonly #program: CompiledProgram;
  readonly #drain: TraceDrain;
  readonly #conductor: Conductor;
  readonly #ended = Promise.withResolvers<void>();

  constructor(program: CompiledProgram, drain: TraceDrain, conductor: Conductor) {
    this.#program = program;
    this.#drain = drain;
    this.#conductor = conductor;
  }

  async start(host: VmTraceHost, console: ConsoleState): Promise<void> {
    const conductor = this.#conductor;
    const drain = new AfterConsole(this.#drain, console);
    console.whenIdle = conductor.run;
    const errors = (bytes: Uint8Array): void => void process.stderr.write(bytes);
    const compiled = { program: this.#program, matched: [] };
    const events = conductor.voice(0);
    const running = await runProgram(host, compiled, events, { wait: true, interim: false }, tellNotes).catch((error: unknown) => {
      throw error instanceof TraceError ? new UsageError(error.message) : error;
    });
    const output = new PrintedOutput(this.#program.descriptor, drain, { command: COMMAND, errors }, () => this.#ended.resolve());
    conductor.begin(this.#program.descriptor, [running], output);
  }

  async finish(): Promise<void> {
    await this.#ended.promise;
    await this.#drain.end();
  }
}

/** A drain that keeps what is written: what a program prints comes after what Lucid prints itself. */
class KeptText implements TraceDrain {
  readonly isFull = false;
  readonly #pieces: Uint8Array[] = [];

  write(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
  }

  end(): Promise<void> {
    return Promise.resolve();
  }

  get text(): string {
    return Buffer.concat(this.#pieces).toString('utf8');
  }
}

/** A script of Lucid's own for a run, whose text is kept. Throws UsageError. */
export function prepareScript(file: string): { readonly trace: InlineTrace; text(): string } {
  const kept = new KeptText();
  const script: TraceArguments = { ...NOTHING, specifiers: [{ form: 'script', text: file }] };
  return { trace: prepare(script, () => kept), text: () => kept.text };
}

/** Compiles what is to trace a run whose console goes to `stream`. Throws UsageError. */
export function prepareTrace(args: TraceArguments, stream: NodeJS.WriteStream): InlineTrace {
  return prepare(args, (drained) => (args.output === undefined ? new StreamDrain(stream, drained) : new FileDrain(args.output, say)));
}

function prepare(args: TraceArguments, drainTo: (drained: () => void) => TraceDrain): InlineTrace {
  try {
    const request = traceRequest(args, { command: COMMAND, wait: true, target: process.pid });
    try {
      const { program, matched } = compile(request.sources, localEnvironment(request, new ProbeRegistry()));
      const { options } = program.descriptor;
      const conductor = new Conductor(1);
      const drain = drainTo(conductor.run);
      if (!isSet(options, 'quiet')) {
        for (const [i, source] of request.sources.entries()) say(matchedText(source, matched[i] as number));
        if (isSet(options, 'destructive')) say('allowing destructive actions');
      }
      if (matched.every((count) => count === 0) && !request.zdefs) throw new TraceError('no probes matched');
      return new RunTrace(program, drain, conductor);
    } catch (error) {
      throw refusal(error, request);
    }
  } catch (error) {
    if (error instanceof TraceError) throw new UsageError(error.message);
    throw error;
  }
}
