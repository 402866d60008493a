/**
 * The kstats of all VMs of this user: what kstat_open(3KSTAT) and its kin are for one kernel.
 *
 * One connection for each VM, kept open; `update` finds the VMs that came, those that ended drop out by themselves. A VM that does not answer (it is
 * stopped, or its terminal is) is left out of a reading, not waited for again, and back as soon as it answers.
 *
 * @module
 */
import { setTimeout } from 'node:timers/promises';
import { compareNames, type KstatSnapshot } from '../kstat.ts';
import { checkRuntimeDirectory, type VmSocketPlace, vmSockets } from '../runtime-directory.ts';
import type { VmHello } from '../vm-socket.ts';
import { connectVm, type VmConnection, VmConnectionError } from '../vm-socket-client.ts';
import { KstatClient, KstatGone, type KstatHeader, type KstatReading } from '../vm-socket-kstat.ts';

/** One VM's kstats at one moment. */
export interface VmReading extends KstatReading {
  readonly vm: VmHello;
  readonly connection: VmConnection;
  /** Tells two VMs apart, also when one has the number of one that ended. */
  readonly key: string;
}

interface Member {
  readonly connection: VmConnection;
  readonly client: KstatClient;
  readonly key: string;
}

export interface KstatChainOptions {
  readonly directory: string;
  /** How long one VM may take to answer. */
  readonly patienceMs: number;
  /** A VM does not answer, or cannot be understood: one line, once for each VM. */
  readonly complain: (text: string) => void;
}

let connections = 0;

export class KstatChain {
  readonly #options: KstatChainOptions;
  readonly #members = new Map<string, Member>();
  readonly #connecting = new Set<string>();
  readonly #complained = new Set<string>();
  readonly #closing = new AbortController();

  constructor(options: KstatChainOptions) {
    this.#options = options;
  }

  /** VMs that are connected. */
  get vms(): readonly VmHello[] {
    return [...this.#members.values()].filter((m) => m.connection.isOpen).map((m) => m.connection.hello);
  }

  /** Finds the VMs that are there now. Throws RuntimeDirectoryError when the directory must not be trusted. */
  async update(): Promise<void> {
    for (const [name, { connection }] of this.#members) if (!connection.isOpen) this.#members.delete(name);
    if (!checkRuntimeDirectory(this.#options.directory)) return;
    const places = vmSockets(this.#options.directory).filter(({ name }) => !this.#members.has(name) && !this.#connecting.has(name));
    const late = new Set(places);
    const all = Promise.all(places.map((place) => this.#connect(place).finally(() => late.delete(place))));
    await this.#patiently(all);
    for (const { name, pid } of late) this.#complain(name, `process ${pid} does not answer`);
  }

  async #connect(place: VmSocketPlace): Promise<void> {
    const { name } = place;
    this.#connecting.add(name);
    try {
      const connection = await connectVm(place, this.#closing.signal);
      this.#members.set(name, { connection, client: new KstatClient(connection), key: `${name}#${connections++}` });
    } catch (error) {
      if (!(error instanceof VmConnectionError)) throw error;
      if (!error.gone && !this.#closing.signal.aborted) this.#complain(name, error.message);
    } finally {
      this.#connecting.delete(name);
    }
  }

  #complain(name: string, text: string): void {
    if (this.#complained.has(name)) return;
    this.#complained.add(name);
    this.#options.complain(text);
  }

  /** Waits for `work`, but not longer than the patience. */
  async #patiently(work: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    await Promise.race([work, setTimeout(this.#options.patienceMs, undefined, { signal: over.signal }).catch(() => {})]);
    over.abort();
  }

  /** Reads the kstats that are wanted from every VM that answers, by vmid. */
  async read(wanted: (header: KstatHeader, vm: VmHello) => boolean): Promise<VmReading[]> {
    const readings: VmReading[] = [];
    const asked = [...this.#members].filter(([, { client, connection }]) => connection.isOpen && !client.busy);
    const late = new Set(asked);
    let over = false;
    const all = asked.map(async (entry) => {
      const [name, { client, connection, key }] = entry;
      const vm = connection.hello;
      try {
        const reading = await client.read((header) => wanted(header, vm));
        if (!over) readings.push({ ...reading, vm, connection, key });
      } catch (error) {
        // It ended meanwhile; or it is no VM that we can read, which ends the connection.
        if (!(error instanceof KstatGone)) this.#complain(name, `VM ${vm.vmid} (process ${vm.pid}): ${(error as Error).message}`);
        connection.close();
      }
      late.delete(entry);
    });
    await this.#patiently(Promise.all(all));
    over = true;
    for (const [name, { connection }] of late)
      this.#complain(name, `VM ${connection.hello.vmid} (process ${connection.hello.pid}) does not answer`);
    return readings.sort((a, b) => a.vm.vmid - b.vm.vmid);
  }

  close(): void {
    this.#closing.abort();
    for (const { connection } of this.#members.values()) connection.close();
    this.#members.clear();
  }
}

/** All kstats of several VMs in the order of kstat(1M): by module, instance and name. */
export function merge(readings: readonly VmReading[]): KstatSnapshot[] {
  const order = (a: KstatSnapshot, b: KstatSnapshot): number =>
    compareNames(a.module, b.module) || a.instance - b.instance || compareNames(a.name, b.name);
  return readings.flatMap((reading) => reading.kstats).sort(order);
}
