/**
 * The service `trace`, loaded when the first tracer comes, or when the VM has run for a while: the D compiler is no part of what a VM needs to start,
 * and a VM that is over soon need not pay for it, but whoever attaches to one that stays is not to wait.
 *
 * @module
 */
import type { Channel, ChannelEvents } from '../../vmm/vm-socket.ts';
import type { TraceService, TraceServiceOptions } from './service.ts';
import type { VmTraceHost } from './vm-host.ts';

export { TRACE_SERVICE } from './messages.ts';

export class LazyTraceService {
  readonly #host: VmTraceHost;
  readonly #options: TraceServiceOptions;
  #service: Promise<TraceService> | undefined;

  constructor(host: VmTraceHost, options: TraceServiceOptions) {
    this.#host = host;
    this.#options = options;
  }

  async #load(): Promise<TraceService> {
    const { TraceService } = await import('./service.ts');
    return new TraceService(this.#host, this.#options);
  }

  /** Loads it, unless it is loaded. */
  readonly preload = (): void => {
    this.#service ??= this.#load();
    // Whoever needs it hears of it.
    this.#service.catch(() => {});
  };

  /** To be registered at the VM's server. */
  readonly serve = (channel: Channel, request: unknown): ChannelEvents => {
    const early: Buffer[] = [];
    let served: ChannelEvents | undefined;
    let closed: string | undefined;
    this.#service ??= this.#load();
    this.#service.then(
      ({ serve }) => {
        if (closed !== undefined) return;
        try {
          served = serve(channel, request);
          for (const payload of early) served.data?.(payload);
        } catch (error) {
          channel.close((error as Error).message);
        }
      },
      (error: Error) => channel.close(`the tracer could not be loaded: ${error.message}`),
    );
    return {
      data: (payload) => (served === undefined ? early.push(payload) : served.data?.(payload)),
      drained: () => served?.drained?.(),
      closed(reason, lost) {
        closed = reason;
        served?.closed?.(reason, lost);
      },
    };
  };

  /** The VM has ended: resolves when every tracer has heard all and hung up, or has had its time. */
  async finished(): Promise<void> {
    await (await this.#service)?.finished();
  }
}
