/**
 * `dlite`: D programs over running VMs, as dtrace(1M) of illumos is over the kernel.
 *
 * Exit status: what the program gives exit(), else 0; 1 when something cannot be done, 2 for a bad command line.
 *
 * @module
 */
import { isSet } from '../../probes/options.ts';
import type { TraceRequest } from '../../probes/session/request.ts';
import { TraceError } from '../../probes/session/trace-error.ts';
import { TracedChild } from './dlite-child.ts';
import { type Command, CommandLineError, helpText, parseCommand, usage } from './dlite-options.ts';
import { followChild, onInterruption, Tracing, type TraceWorld } from './dlite-trace.ts';
import { connectAll, grabVms, startingVm, vmPlaces } from './dlite-vms.ts';
import { FileDrain } from './trace-drain.ts';
import { traceRequest } from './trace-request.ts';

const NAME = 'dlite';
/** The version of the D language that this is: see `-x version`. */
const VERSION = 'Lucid D 1.13';

export interface DliteWorld extends TraceWorld {
  readonly err: (text: string) => void;
}

/** Runs `dlite`; its exit status. */
export async function dlite(args: readonly string[], world: DliteWorld): Promise<number> {
  try {
    return await run(parseCommand(args), world);
  } catch (error) {
    if (error instanceof CommandLineError) {
      if (error.message !== '') world.say(error.message);
      if (error.usage) world.err(usage(NAME));
      return 2;
    }
    if (!(error instanceof TraceError)) throw error;
    world.say(error.message);
    return 1;
  }
}

function run(command: Command, world: DliteWorld): number | Promise<number> {
  if (command.mode === 'help') return write(world, helpText(NAME));
  if (command.mode === 'version') return write(world, `${NAME}: ${VERSION}\n`);
  if (command.mode === 'list') return list(command, world);
  return command.compileOnly ? compileOnly(command, world) : trace(command, world);
}

function write({ stdout }: DliteWorld, text: string): number {
  stdout.write(text);
  return 0;
}

/** Writes to -o, or standard output. */
function writeOutput(command: Command, world: DliteWorld, text: string): number {
  if (command.output === undefined) return write(world, text);
  let status = 0;
  const file = new FileDrain(command.output, (why) => {
    world.say(why);
    status = 1;
  });
  file.write(Buffer.from(text));
  file.end();
  return status;
}

async function list(command: Command, world: DliteWorld): Promise<number> {
  const request = requestOf({ ...command, zeroMatches: true });
  const [{ compileHere }, { listText }, { ProbeRegistry }] = await Promise.all([
    import('./dlite-compile.ts'),
    import('./dlite-list.ts'),
    import('../../probes/providers/registry.ts'),
  ]);
  const registry = new ProbeRegistry();
  const compilation = request.sources.length === 0 ? undefined : compileHere(request, registry);
  const verbose = command.verbose || isSet(request.options, 'verbose');
  return writeOutput(command, world, listText(registry, compilation, verbose, world.say));
}

async function compileOnly(command: Command, world: DliteWorld): Promise<number> {
  const request = requestOf(command);
  if (request.sources.length === 0) return 0;
  const text = await stability(request, true);
  return command.verbose ? writeOutput(command, world, text) : 0;
}

/** What -v says of a program, with its descriptions when nothing else follows. Throws TraceError when it does not compile. */
async function stability(request: TraceRequest, described: boolean): Promise<string> {
  const [{ compileHere }, { stabilityText, descriptionsText }, { ProbeRegistry }] = await Promise.all([
    import('./dlite-compile.ts'),
    import('./dlite-list.ts'),
    import('../../probes/providers/registry.ts'),
  ]);
  const registry = new ProbeRegistry();
  const { descriptions } = compileHere(request, registry);
  const text = request.sources.map((source, i) => {
    const own = descriptions.filter((description) => description.source === i);
    const probes = own.flatMap((description) => description.probes);
    return stabilityText(source, probes, registry) + (described ? descriptionsText(own, registry) : '\n');
  });
  return text.join('');
}

function requestOf(command: Command, wait = false, target?: number): TraceRequest {
  return traceRequest(command, { command: NAME, wait, target });
}

async function trace(command: Command, world: DliteWorld): Promise<number> {
  if (command.run !== undefined) return traceCommand(command, command.run, world);
  const target = command.pids.length > 0 ? Number(command.pids[0]) : undefined;
  const request = requestOf(command, false, target);
  if (request.sources.length === 0) throw new TraceError('no probes specified');
  if (command.pids.length === 0) {
    const { tracing, places } = await enableEverywhere(command, request, world);
    if (command.verbose) tracing.preface = await stability(request, false);
    return conduct(tracing, () => tracing.followLate(places));
  }
  const connections = await grabVms(command.pids, world.directory);
  const tracing = new Tracing(command, request, world, connections.length);
  await tracing.enableIn(connections);
  if (command.verbose) tracing.preface = await stability(request, false);
  const status = await conduct(tracing);
  if (!tracing.wasEnded) tracing.noticeEnds();
  return status;
}

/** In all VMs that run; on the host when there is none, or all have just ended. */
async function enableEverywhere(command: Command, request: TraceRequest, world: DliteWorld) {
  const places = vmPlaces(world.directory);
  const connections = await connectAll(places, world.say);
  if (connections.length > 0) {
    const tracing = new Tracing(command, request, world, connections.length);
    try {
      await tracing.enableIn(connections);
      return { tracing, places };
    } catch (error) {
      if (!(error instanceof TraceError && error.gone)) throw error;
    }
  }
  const tracing = new Tracing(command, request, world, 1);
  await tracing.enableHere();
  return { tracing, places };
}

/** From the first output to the end; interruptions are taken from here on. `begun` is called in between. */
async function conduct(tracing: Tracing, begun = (): void => {}): Promise<number> {
  const restore = onInterruption(tracing.interrupt);
  try {
    tracing.begin();
    begun();
    return await tracing.finished();
  } catch (error) {
    tracing.abandon();
    throw error;
  } finally {
    restore();
  }
}

/** -c. */
async function traceCommand(command: Command, words: string, world: DliteWorld): Promise<number> {
  // An option or script that is wrong is told before anything is started.
  if (requestOf(command).sources.length === 0) throw new TraceError('no probes specified');
  const child = new TracedChild(words);
  try {
    return await (child.isVm ? traceVmOf(child, command, world) : traceAround(child, command, world));
  } finally {
    child.kill();
  }
}

/** -c 'lucid run ...': its VM, from the first instruction to the end. */
async function traceVmOf(child: TracedChild, command: Command, world: DliteWorld): Promise<number> {
  const request = requestOf(command, true, child.pid);
  const connection = await startingVm(child.pid, world.directory, () => child.isEnded);
  if (connection === undefined) throw new TraceError(await child.ended);
  const tracing = new Tracing(command, request, world, 1);
  await tracing.enableIn([connection]);
  const status = await conduct(tracing, () => tracing.go());
  if (tracing.wasEnded) child.kill();
  else tracing.notice(await child.ended);
  return status;
}

/** -c with another command: what runs meanwhile is traced. */
async function traceAround(child: TracedChild, command: Command, world: DliteWorld): Promise<number> {
  const request = requestOf(command, false, child.pid);
  const { tracing, places } = await enableEverywhere(command, request, world);
  return conduct(tracing, () => {
    tracing.followLate(places);
    followChild(tracing, child);
    child.go();
  });
}
