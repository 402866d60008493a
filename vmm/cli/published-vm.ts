/**
 * What makes the VM of `lucid run` visible to `kstat`, `kvmstat`, `lucid ps` and the tracer: its number and its socket.
 *
 * The number is taken before the VM's thread makes its kstats, which carry it. The socket opens soon after, while the VM already
 * runs: the guest waits for neither. A VM that cannot be made visible runs all the same; one line on standard error says why.
 *
 * @module
 */
import { claimVm, RuntimeDirectoryError, runtimeDirectoryPath, type VmClaim } from '../runtime-directory.ts';
import type { VmServer, VmService } from '../vm-socket-server.ts';
import type { Started } from '../worker-messages.ts';
import { atExit } from './at-exit.ts';
import { POWER_SERVICE, type PowerService } from './power-service.ts';
import { SAVE_SERVICE, type SaveService } from './save-service.ts';
import type { VmTracing } from './vm-tracing.ts';

/** When the socket opens, ms after the start: nobody finds a VM that lives shorter, and many guests of tests do. */
const OPEN_MS = 50;
/** When the tracer's compiler is loaded if nobody has asked for it before: ms after the start. */
const PRELOAD_MS = 1000;

function warn(why: string): void {
  process.stderr.write(`lucid: kvmstat and dlite will not see this VM: ${why}\n`);
}

/** One VM of this process, as others see it. */
export class PublishedVm {
  readonly #name: string;
  readonly #claim: VmClaim | undefined;
  #server: VmServer | undefined;
  #trace: { finished(): Promise<void> } | undefined;
  #opening: NodeJS.Timeout | undefined;
  #closed = false;
  /** Takes `close` back from the end of the process. */
  readonly #stay: () => void;

  private constructor(name: string, claim: VmClaim | undefined) {
    this.#name = name;
    this.#claim = claim;
    this.#stay = atExit(this.close);
  }

  static claim(name: string): PublishedVm {
    try {
      return new PublishedVm(name, claimVm(runtimeDirectoryPath()));
    } catch (error) {
      if (!(error instanceof RuntimeDirectoryError)) throw error;
      warn(error.message);
      return new PublishedVm(name, undefined);
    }
  }

  /** Unique on this host among the user's VMs; 0 when it is not visible. */
  get vmid(): number {
    return this.#claim?.vmid ?? 0;
  }

  /** The VM is about to run: clients may come. */
  open(
    started: Started,
    tracing: VmTracing,
    saving: SaveService,
    power: PowerService,
    more: Readonly<Record<string, VmService>> = {},
  ): void {
    const claim = this.#claim;
    if (claim === undefined || this.#closed) return;
    const open = (): void => {
      this.#open(claim, started, tracing, saving, power, more).catch((error: NodeJS.ErrnoException) =>
        warn(`${claim.socket.path}: ${error.code ?? error.stack}`),
      );
    };
    if (tracing.isHeld) open();
    else this.#opening = setTimeout(open, OPEN_MS);
  }

  async #open(
    claim: VmClaim,
    { memory, kstats, vcpus }: Started,
    tracing: VmTracing,
    saving: SaveService,
    power: PowerService,
    more: Readonly<Record<string, VmService>>,
  ): Promise<void> {
    const [{ VmServer }, { KSTAT_SERVICE, KstatService }, { CONTROL_SERVICE, controlService }, { TRACE_SERVICE, LazyTraceService }] =
      await Promise.all([
        import('../vm-socket-server.ts'),
        import('../vm-socket-kstat.ts'),
        import('../../probes/session/control.ts'),
        import('../../probes/session/lazy-service.ts'),
      ]);
    const kstat = new KstatService(memory, kstats);
    const who = { vmid: claim.vmid, pid: process.pid, name: this.#name, vcpus };
    const trace = new LazyTraceService(tracing.host, { ...who, go: tracing.go });
    const server = await VmServer.open(claim.socket, who, {
      [KSTAT_SERVICE]: kstat.serve,
      [CONTROL_SERVICE]: controlService(tracing.host),
      [TRACE_SERVICE]: trace.serve,
      [SAVE_SERVICE]: saving.serve,
      [POWER_SERVICE]: power.serve,
      ...more,
    });
    this.#trace = trace;
    setTimeout(trace.preload, PRELOAD_MS).unref();
    if (this.#closed) server.close();
    else this.#server = server;
  }

  /** The VM has ended: resolves when its tracers have heard all. */
  async finish(): Promise<void> {
    await this.#trace?.finished();
  }

  /** Takes everything back. Any number of times. */
  readonly close = (): void => {
    if (this.#closed) return;
    this.#closed = true;
    this.#stay();
    clearTimeout(this.#opening);
    this.#server?.close();
    this.#claim?.release();
  };
}
