/**
 * The metrics of `lucid run --metrics`: the VM's kstats, what it does now, and the process's own figures, at an HTTP endpoint.
 *
 * The counters are loads from the VM's memory in the main thread: the guest is neither asked nor slowed. After its end the last values stay until the
 * process goes.
 *
 * @module
 */
import { KstatRegistry } from '../kstat.ts';
import { Exposition, type Family, labelText, type Labels, type MetricsFormat } from '../metrics/exposition.ts';
import { FAMILIES } from '../metrics/families.ts';
import type { ListenAddress } from '../metrics/listen-address.ts';
import { addKstats } from '../metrics/render.ts';
import { MetricsServer } from '../metrics/server.ts';
import type { Started } from '../worker-messages.ts';
import { UsageError } from './options.ts';
import type { VmState } from './power-service.ts';

const STATES = ['running', 'paused', 'saving', 'ended'] as const satisfies readonly (VmState | 'ended')[];

const STATE: Family = { name: 'lucid_vm_state', type: 'gauge', help: 'What the VM does now: 1 for that, 0 for the others.' };
/** Prometheus' client libraries give every process these. */
const CPU: Family = { name: 'process_cpu_seconds', type: 'counter', unit: 'seconds', help: "The host's CPU time of this process." };
const RESIDENT: Family = {
  name: 'process_resident_memory_bytes',
  type: 'gauge',
  unit: 'bytes',
  help: 'Memory of this process on the host.',
};
const START: Family = {
  name: 'process_start_time_seconds',
  type: 'gauge',
  unit: 'seconds',
  help: 'When this process started, since 1970.',
};

export class MetricsService {
  readonly #server: MetricsServer;
  readonly #state: () => VmState;
  #ended = false;

  private constructor(server: MetricsServer, state: () => VmState) {
    this.#server = server;
    this.#state = state;
  }

  /** Listens. Throws UsageError for an address that cannot be had. */
  static async open(address: ListenAddress, state: () => VmState): Promise<MetricsService> {
    const server = await MetricsServer.listen(address).catch((error: NodeJS.ErrnoException) => {
      throw new UsageError(`--metrics ${shown(address)}: ${whyNot(error, address)}`);
    });
    return new MetricsService(server, state);
  }

  /** The VM is about to run: says where its metrics are. */
  started(name: string, { memory, kstats }: Started, say = (text: string): unknown => process.stderr.write(text)): void {
    const { url, isLoopback } = this.#server;
    say(`lucid: metrics at ${url}${isLoopback ? '' : ', for all who reach this host'}\n`);
    const registry = KstatRegistry.adopt(memory, kstats);
    this.#server.serve({ title: `lucid: ${name}`, render: (format) => this.#render(registry, { vm: name }, format) });
  }

  /** The VM has run for the last time. */
  ended(): void {
    this.#ended = true;
  }

  close(): void {
    this.#server.close();
  }

  #render(registry: KstatRegistry, vm: Labels, format: MetricsFormat): string {
    const all = new Exposition([STATE, ...FAMILIES]);
    const now = this.#ended ? 'ended' : this.#state();
    for (const state of STATES) all.add(STATE, labelText({ ...vm, state }), state === now ? 1 : 0);
    addKstats(all, vm, registry.readAll());
    addProcess(all);
    return all.text(format);
  }
}

function addProcess(into: Exposition): void {
  const { user, system } = process.cpuUsage();
  into.add(CPU, '', (user + system) / 1e6);
  into.add(RESIDENT, '', process.memoryUsage.rss());
  into.add(START, '', performance.timeOrigin / 1000);
}

function shown({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function whyNot({ code, message }: NodeJS.ErrnoException, { host, port }: ListenAddress): string {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} is already in use there; give another, or 0 for any that is free`;
    case 'EACCES':
      return `port ${port} is not for you to listen on; give one from 1024 on, or 0 for any that is free`;
    case 'EADDRNOTAVAIL':
      return `${host} is no address of this host; a port alone is of 127.0.0.1`;
    case 'EAFNOSUPPORT':
      return `this host has no ${host.includes(':') ? 'IPv6' : 'IPv4'}`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `there is no host ${host}; a port alone is of 127.0.0.1`;
    default:
      return `cannot listen there (${code ?? message})`;
  }
}
