/**
 * The service `trace` of a VM's socket, the VM's end: compiles what a tracer sends, enables it, and passes its output on (`messages.ts`).
 *
 * Lives in the main thread of the VM's process: compiling and sending cost the guest nothing. A tracer that goes away, however it goes, takes its
 * probes with it at the VM's next slice. One that is slow is waited for, and its ring fills meanwhile.
 *
 * @module
 */
import { compile } from '../d/compile.ts';
import { ProbeRegistry } from '../providers/registry.ts';
import { type Channel, type ChannelEvents, parseJson } from '../../vmm/vm-socket.ts';
import { encode, type Refusal } from './messages.ts';
import { pauseText } from './pause-text.ts';
import { type ProgramEvents, type RunningProgram, runProgram } from './program.ts';
import { refusal } from './refusal.ts';
import { checkRequest, remoteEnvironment, type TraceRequest } from './request.ts';
import type { VmTraceHost } from './vm-host.ts';

export interface TraceServiceOptions {
  /** Of the VM, for messages. */
  readonly name: string;
  readonly pid: number;
  /** Lets a VM run that waits for its tracer. */
  go(): void;
}

/** Nothing that a tracer sends may end the VM. */
function refusalOf(error: unknown, request: TraceRequest): Refusal {
  try {
    const { message: text, gone, matched } = refusal(error, request);
    return { text, gone, matched };
  } catch {
    return { text: `the VM failed: ${(error as Error).stack}` };
  }
}

/** One tracer. */
class Served implements ChannelEvents {
  readonly #channel: Channel;
  readonly #service: TraceService;
  #program: RunningProgram | undefined;
  #stopped = false;
  #closed = false;
  readonly #forget: () => void;

  constructor(channel: Channel, service: TraceService, request: TraceRequest) {
    this.#channel = channel;
    this.#service = service;
    // Who pauses a VM by hand knows it.
    this.#forget = service.host.onPause((pause) => pause.what !== 0 && channel.send(encode.note(pauseText(pause, service.options))));
    this.#run(request).catch((error: unknown) => channel.send(encode.refused(refusalOf(error, request))));
  }

  async #run(request: TraceRequest): Promise<void> {
    const environment = remoteEnvironment(request, new ProbeRegistry());
    const program = await runProgram(
      this.#service.host,
      compile(request.sources, environment),
      this.#events(),
      { wait: request.wait, interim: true },
      (enabled) => this.#channel.send(encode.enabled(enabled)),
    );
    this.#program = program;
    if (this.#closed) program.close();
    else if (this.#stopped) program.stop();
  }

  #events(): ProgramEvents {
    const channel = this.#channel;
    return {
      records: ({ bytes, clockNs }) => channel.send(encode.records(bytes, clockNs)),
      drops: (counts) => channel.send(encode.drops(counts)),
      aggregations: (flags, records) => channel.send(encode.aggregations(flags, records)),
      ended: ({ exitStatus }) => {
        channel.send(encode.ended({ exitStatus }));
      },
    };
  }

  data(payload: Buffer): void {
    const { stop, go } = (parseJson(payload) ?? {}) as { stop?: unknown; go?: unknown };
    if (go === true) this.#service.options.go();
    if (stop !== true) return;
    this.#stopped = true;
    this.#program?.stop();
  }

  drained(): void {
    this.#program?.resume();
  }

  closed(): void {
    this.#closed = true;
    this.#forget();
    this.#program?.close();
    this.#service.left(this);
  }
}

/** How long a VM that has ended waits for tracers that do not take what it has to say: ms. */
const PATIENCE_MS = 5000;

export class TraceService {
  readonly host: VmTraceHost;
  readonly options: TraceServiceOptions;
  readonly #served = new Set<Served>();
  #whenIdle: () => void = () => {};

  constructor(host: VmTraceHost, options: TraceServiceOptions) {
    this.host = host;
    this.options = options;
  }

  /** To be registered at the VM's server. Throws for what is no request. */
  readonly serve = (channel: Channel, request: unknown): ChannelEvents => {
    const served = new Served(channel, this, checkRequest(request));
    this.#served.add(served);
    return served;
  };

  left(served: Served): void {
    this.#served.delete(served);
    if (this.#served.size === 0) this.#whenIdle();
  }

  /** The VM has ended: resolves when every tracer has heard all and hung up, or has had its time. */
  finished(): Promise<void> {
    if (this.#served.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      // This timer also keeps the process alive meanwhile: sockets do not.
      const patience = setTimeout(resolve, PATIENCE_MS);
      this.#whenIdle = () => {
        clearTimeout(patience);
        resolve();
      };
    });
  }
}
