/**
 * `dlite`, tracing: programs enabled in VMs (or on the host without any), one output, and how it all ends.
 *
 * It ends when the program says exit(), when the last VM that is traced has ended, when the command of -c has, or at an interruption: then END
 * fires and what was aggregated is printed. A second interruption waits for nothing. VMs that start meanwhile are traced too, unless -p or -c
 * names what is to be traced.
 *
 * @module
 */
import { isSet } from '../../probes/options.ts';
import type { ProgramDescriptor } from '../../probes/program.ts';
import { Conductor } from '../../probes/session/conductor.ts';
import { PrintedOutput } from '../../probes/session/printed-output.ts';
import type { RunningProgram } from '../../probes/session/program.ts';
import { type RemoteProgram, traceRemote } from '../../probes/session/remote.ts';
import { needsFiles, type TraceRequest } from '../../probes/session/request.ts';
import { TraceError } from '../../probes/session/trace-error.ts';
import type { VoiceEnd } from '../../probes/session/voice.ts';
import type { VmSocketPlace } from '../runtime-directory.ts';
import type { VmConnection } from '../vm-socket-client.ts';
import type { VmHello } from '../vm-socket.ts';
import type { TracedChild } from './dlite-child.ts';
import type { Command } from './dlite-options.ts';
import { connectTo, vmPlaces } from './dlite-vms.ts';
import { FileDrain, StreamDrain, type TraceDrain } from './trace-drain.ts';
import { matchedText } from './trace-request.ts';

export interface TraceWorld {
  /** The runtime directory. */
  readonly directory: string;
  readonly stdout: NodeJS.WriteStream;
  /** Says something on standard error, with the command's name in front. */
  readonly say: (text: string) => void;
}

/** How often VMs that started are looked for: ms. */
const LATE_MS = 250;

/** A program in one VM, or on the host. */
interface Traced {
  readonly program: RunningProgram;
  readonly vm: VmHello | undefined;
}

/** One tracing, from the enabling to the end. */
export class Tracing {
  /** Written before the trace. */
  preface = '';
  readonly #command: Command;
  readonly #world: TraceWorld;
  readonly #request: TraceRequest;
  readonly #conductor: Conductor;
  readonly #traced: (Traced | undefined)[] = [];
  readonly #finished = Promise.withResolvers<number>();
  /** Sockets that were looked at. */
  readonly #known = new Set<string>();
  #drain: TraceDrain | undefined;
  #output: PrintedOutput | undefined;
  #descriptor: ProgramDescriptor | undefined;
  #late: NodeJS.Timeout | undefined;
  #interruptions = 0;

  constructor(command: Command, request: TraceRequest, world: TraceWorld, vms: number) {
    this.#command = command;
    this.#request = request;
    this.#world = world;
    this.#conductor = new Conductor(Math.max(1, vms));
  }

  get #quiet(): boolean {
    return this.#descriptor !== undefined && isSet(this.#descriptor.options, 'quiet');
  }

  /** What dtrace says unless it is quiet. */
  notice(text: string): void {
    if (!this.#quiet) this.#world.say(text);
  }

  /** Enables the program in VMs. Throws TraceError when one refuses; VMs that end meanwhile are left out. */
  async enableIn(connections: readonly VmConnection[]): Promise<void> {
    const request = await this.#portable();
    const attempts = connections.map((connection, i) =>
      traceRemote(connection, request, this.#conductor.voice(i), (text) => this.#world.say(text)),
    );
    const results = await Promise.allSettled(attempts);
    results.forEach((result, i) => {
      const { hello } = connections[i] as VmConnection;
      if (result.status === 'fulfilled') this.#traced[i] = { program: result.value, vm: hello };
    });
    const failures = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason as unknown);
    const refused = failures.find((error) => !isGone(error)) ?? (failures.length === results.length ? failures[0] : undefined);
    if (refused === undefined) return;
    this.#closeAll();
    this.#tellMatched(refused);
    throw refused;
  }

  /** Enables the program without any VM: dtrace and profile probes, on the host's clock. Throws CompileError, TraceError. */
  async enableHere(): Promise<void> {
    const { enableOnHost } = await import('./dlite-host.ts');
    try {
      this.#traced[0] = { program: await enableOnHost(this.#request, this.#conductor.voice(0)), vm: undefined };
    } catch (error) {
      this.#tellMatched(error);
      throw error;
    }
  }

  /** What was matched is told even when it cannot be enabled. */
  #tellMatched(error: unknown): void {
    if (error instanceof TraceError && error.matched !== undefined) this.#noticeMatched(error.matched);
  }

  #noticeMatched(matched: readonly number[]): void {
    for (const [i, source] of this.#request.sources.entries()) this.notice(matchedText(source, matched[i] as number));
  }

  /** A request that a VM can compile: with the files that its preprocessing and libraries need, as they are seen here. */
  async #portable(): Promise<TraceRequest> {
    if (!needsFiles(this.#request)) return this.#request;
    const { withFiles } = await import('./dlite-compile.ts');
    return withFiles(this.#request);
  }

  /** All are enabled: what was matched is told, and the output begins. Throws TraceError. */
  begin(): void {
    const first = this.#traced.find((traced) => traced !== undefined) as Traced;
    const { descriptor, matched, notes } = first.program.enabled;
    this.#descriptor = descriptor;
    const { say, stdout } = this.#world;
    const { run } = this.#conductor;
    this.#drain = this.#command.output === undefined ? new StreamDrain(stdout, run) : new FileDrain(this.#command.output, this.#broken);
    const { zdefs } = this.#request;
    this.#noticeMatched(matched);
    if (!zdefs && matched.every((count) => count === 0)) throw new TraceError('no probes matched');
    if (this.preface !== '') this.#drain.write(Buffer.from(this.preface));
    for (const note of notes) say(note);
    if (isSet(descriptor.options, 'destructive')) this.notice('allowing destructive actions');
    this.#output = new PrintedOutput(
      descriptor,
      this.#drain,
      { command: 'dlite', errors: (bytes) => void process.stderr.write(bytes), json: this.#command.json },
      (status, ends) => this.#ended(status, ends),
    );
    const vms = Array.from({ length: Math.max(1, this.#traced.length) }, (_, i) => this.#traced[i]?.program ?? GONE);
    this.#conductor.begin(descriptor, vms, this.#output);
  }

  /** -o cannot be written any more. */
  readonly #broken = (text: string): void => {
    this.#world.say(text);
    this.#closeAll();
    this.#finished.resolve(1);
  };

  /** Traces VMs that start from now on too. */
  followLate(known: readonly VmSocketPlace[]): void {
    for (const { name } of known) this.#known.add(name);
    this.#late = setInterval(() => this.#lookForLate().catch(this.#finished.reject), LATE_MS);
  }

  async #lookForLate(): Promise<void> {
    const { say, directory } = this.#world;
    const places = vmPlaces(directory);
    for (const place of places) {
      if (this.#known.has(place.name)) continue;
      this.#known.add(place.name);
      try {
        const connection = await connectTo(place);
        if (connection !== undefined) await this.#join(connection);
      } catch (error) {
        if (!(error instanceof TraceError)) throw error;
        if (!error.gone) say(error.message);
      }
    }
  }

  async #join(connection: VmConnection): Promise<void> {
    const { events, enter } = this.#conductor.join();
    const program = await traceRemote(connection, await this.#portable(), events, (text) => this.#world.say(text));
    if (sameShape(program.enabled.descriptor, this.#descriptor as ProgramDescriptor)) {
      this.#traced.push({ program, vm: connection.hello });
      enter(program);
    } else {
      program.close();
      throw new TraceError(`pid ${connection.hello.pid}: its probes differ from those of the other VMs`);
    }
  }

  /** Lets a VM run that waits for its tracer. */
  go(): void {
    for (const traced of this.#traced) (traced?.program as Partial<RemoteProgram> | undefined)?.go?.();
  }

  /** END fires, then it ends. */
  stop(): void {
    this.#conductor.stop();
  }

  /** Ctrl-C. */
  readonly interrupt = (): void => {
    this.#interruptions++;
    if (this.#interruptions > 1) {
      this.#output?.silence();
      this.#ended(0, []);
      return;
    }
    this.#drain?.write(Buffer.from('\n'));
    this.#conductor.stop();
  };

  #ended(status: number, ends: readonly VoiceEnd[]): void {
    clearInterval(this.#late);
    if (this.#interruptions > 1) this.#drain?.write(Buffer.from('\n'));
    ends.forEach(({ lost }, i) => {
      const vm = this.#traced[i]?.vm;
      if (lost !== undefined && vm !== undefined) this.#world.say(`lost sight of ${vm.name} (pid ${vm.pid}): ${lost}`);
    });
    this.#closeAll();
    this.#finished.resolve(status);
  }

  /** Something cannot be done: its probes go, nothing more is printed. */
  abandon(): void {
    this.#closeAll();
  }

  #closeAll(): void {
    clearInterval(this.#late);
    for (const traced of this.#traced) traced?.program.close();
  }

  /** Resolves with the status of exit(), or 0, when all output is written. */
  async finished(): Promise<number> {
    const status = await this.#finished.promise;
    await this.#drain?.end();
    return status;
  }

  /** It was the program or the user that ended it, not the end of what was traced. */
  get wasEnded(): boolean {
    return this.#output?.exited === true || this.#interruptions > 0;
  }

  /** VMs of -p that have ended: what dtrace says of processes. */
  noticeEnds(): void {
    for (const traced of this.#traced) if (traced?.vm !== undefined) this.notice(`pid ${traced.vm.pid} has exited`);
  }
}

const GONE = { stop: (): void => {}, resume: (): void => {} };

/** The VM went away, as opposed to a program that was refused. */
function isGone(error: unknown): boolean {
  return error instanceof TraceError && error.gone;
}

/** Records of one are what the other's description says. */
function sameShape(a: ProgramDescriptor, b: ProgramDescriptor): boolean {
  const names = ({ epids }: ProgramDescriptor): string =>
    epids.map((e) => e && `${e.bytes} ${e.probe.provider}:${e.probe.module}:${e.probe.func}:${e.probe.name}`).join('\n');
  return names(a) === names(b);
}

/** Calls `act` at the signals that interrupt a tracing, until the function returned is called. */
export function onInterruption(act: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, act);
  return () => {
    for (const signal of signals) process.off(signal, act);
  };
}

/** Waits for the command of -c, which ends the tracing when it ends. */
export function followChild(tracing: Tracing, child: TracedChild): void {
  child.ended.then((text) => {
    tracing.notice(text);
    tracing.stop();
  });
}
