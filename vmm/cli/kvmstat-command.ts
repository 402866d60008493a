/**
 * `kvmstat`: per-second rates of VM exits, a line for each vCPU of every running VM of this user, as illumos' kvmstat prints them.
 *
 * `kvmstat [interval [count]]` is the original's and prints what the original prints. The options are this tool's own. Exit status: 0, or 1 for
 * anything that is wrong: usage, no VM to start with, a runtime directory that must not be trusted.
 *
 * The interval is the host's time, and so are the seconds of the rates: a VM's clock runs at another speed (`--clock vm` goes by it).
 *
 * @module
 */
import { RuntimeDirectoryError } from '../runtime-directory.ts';
import type { VmHello } from '../vm-socket.ts';
import { getopt, GetoptError } from './getopt.ts';
import { Interval, parseWhole } from './interval.ts';
import type { CommandWorld } from './kstat-command.ts';
import { KstatChain, type VmReading } from './kstat-chain.ts';
import { exitCounters, exitEvents, type ExitKey, exitObject, exitTable, isExitsKstat, measuresHostTime } from './kvmstat-exits.ts';
import { isVcpuKstat, type RateClock, sinceBoot, sinceBootJson, vcpuSamples, VcpuTable } from './kvmstat-table.ts';

export const KVMSTAT_USAGE = `Usage: kvmstat [interval [count]]
       kvmstat [-e [--key samples|time] [--host-time]] [-V vm] [--clock host|vm] [--json] [-1 | interval [count]]

  Shows what the running virtual machines do: one line for each virtual CPU,
  every number but pid and vcpu a rate per second.

    pid    =>  process that runs the virtual machine
    vcpu   =>  number of the virtual CPU in its virtual machine
    exits  =>  exits of the virtual CPU, for whatever reason
    haltx  =>  exits for HLT
    irqx   =>  exits for an external interrupt
    irqwx  =>  exits for an interrupt window that opened
    iox    =>  exits for an I/O instruction
    mmiox  =>  exits for memory-mapped I/O
    irqs   =>  interrupts injected
    emul   =>  instructions emulated
    eptv   =>  EPT violations

  Options:

    -e, --exits        a table of exits by reason, with their modelled time
    -k, --key KEY      what the table is sorted by: samples (default) or time
    -H, --host-time    the host's time of the exits beside the modelled time
    -V, --vm VM        only this virtual machine: its name, vmid or pid
    -c, --clock CLOCK  seconds of the host (default) or of the vm's clock
    -j, --json         one JSON object per line
    -1, --once         one block since the virtual machines started

`;

interface KvmstatArguments {
  readonly exits: boolean;
  readonly key: ExitKey;
  readonly hostTime: boolean;
  readonly vm: string | undefined;
  readonly clock: RateClock;
  readonly json: boolean;
  readonly once: boolean;
  readonly interval: number;
  readonly count: number;
}

/** Reads the command line; undefined when it is not one. Throws GetoptError. */
function parseArguments(args: readonly string[]): KvmstatArguments | undefined {
  const { options, operands } = getopt(args, 'e(exits)k:(key)H(host-time)V:(vm)c:(clock)j(json)1(once)');
  const given = new Map(options);
  const key = given.get('k') ?? 'samples';
  const clock = given.get('c') ?? 'host';
  const times = operands.map(parseWhole);
  const [interval, count] = times;
  const exits = given.has('e');
  const wrong =
    times.includes(undefined) ||
    times.length > 2 ||
    !['samples', 'sample', 'time'].includes(key) ||
    !['host', 'vm'].includes(clock) ||
    given.get('V') === '' ||
    (!exits && (given.has('k') || given.has('H'))) ||
    (exits && given.has('c')) ||
    (given.has('1') && times.length > 0);
  if (wrong) return undefined;
  return {
    exits,
    key: key === 'time' ? 'time' : 'samples',
    hostTime: given.has('H'),
    vm: given.get('V'),
    clock: clock === 'vm' ? 'vm' : 'host',
    json: given.has('j'),
    once: given.has('1'),
    interval: interval ?? 1,
    count: count ?? Number.POSITIVE_INFINITY,
  };
}

/** What ends the command with a line on standard error and status 1. */
class Refused extends Error {}

/** What makes a block of output of the readings of one moment. */
interface Report {
  start(readings: readonly VmReading[]): void;
  block(readings: readonly VmReading[]): string;
  once(readings: readonly VmReading[]): string;
}

function ratesReport({ json, clock }: KvmstatArguments, now: () => Date): Report {
  const table = new VcpuTable();
  return {
    start: (readings) => table.start(vcpuSamples(readings, clock)),
    block: (readings) => (json ? table.jsonBlock(vcpuSamples(readings, clock), now()) : table.block(vcpuSamples(readings, clock))),
    once: (readings) => (json ? sinceBootJson(vcpuSamples(readings, clock), now()) : sinceBoot(vcpuSamples(readings, clock))),
  };
}

/** Seconds of the host between two readings, or since the VMs started; the longest of several VMs. */
function secondsBetween(readings: readonly VmReading[], before?: readonly VmReading[]): number {
  const starts = new Map(before?.map((r) => [r.key, r.hostNs]));
  const spans = readings.map((r) => Number(r.hostNs - (before === undefined ? r.hostStartNs : (starts.get(r.key) ?? r.hostNs))));
  return Math.max(0, ...spans) / 1e9;
}

function exitsReport(args: KvmstatArguments, now: () => Date): Report {
  let before: readonly VmReading[] = [];
  const print = (readings: readonly VmReading[], since?: readonly VmReading[]): string => {
    const counters = exitCounters(readings);
    if (args.hostTime && counters.size > 0 && !measuresHostTime(counters)) {
      throw new Refused("--host-time: no running VM measures the host's time of its exits");
    }
    const events = exitEvents(counters, since === undefined ? undefined : exitCounters(since));
    const [only] = readings;
    const of = args.vm !== undefined && only !== undefined && readings.length === 1 ? nameOf(only.vm) : 'all VMs';
    const options = { of: `${of}, all VCPUs`, key: args.key, hostTime: args.hostTime, interval: since !== undefined };
    return args.json ? exitObject(events, secondsBetween(readings, since), options, now()) : exitTable(events, options);
  };
  return {
    start: (readings) => {
      before = readings;
      // What cannot be had is refused at once.
      print(readings);
    },
    block: (readings) => {
      const since = before;
      before = readings;
      return readings.length === 0 ? '' : print(readings, since);
    },
    once: (readings) => print(readings),
  };
}

function nameOf(vm: VmHello): string {
  return `VM ${vm.name} (vmid ${vm.vmid}, pid ${vm.pid})`;
}

/** Runs `kvmstat`; its exit status. */
export async function kvmstat(args: readonly string[], world: CommandWorld): Promise<number> {
  const complain = (text: string): void => world.err(`kvmstat: ${text}\n`);
  let parsed: KvmstatArguments | undefined;
  try {
    parsed = parseArguments(args);
  } catch (error) {
    if (!(error instanceof GetoptError)) throw error;
  }
  if (parsed === undefined) {
    world.err(KVMSTAT_USAGE);
    return 1;
  }
  const chain = new KstatChain({ directory: world.directory, patienceMs: 500, complain });
  try {
    await reports(parsed, chain, world);
    return 0;
  } catch (error) {
    if (!(error instanceof Refused || error instanceof RuntimeDirectoryError)) throw error;
    complain(error.message);
    return 1;
  } finally {
    chain.close();
  }
}

async function reports(args: KvmstatArguments, chain: KstatChain, world: CommandWorld): Promise<void> {
  const interval = new Interval(args.interval, performance.now(), world.secondMs);
  const { vm: wantedVm } = args;
  const isWanted = (vm: VmHello): boolean => wantedVm === undefined || [vm.name, String(vm.vmid), String(vm.pid)].includes(wantedVm);
  const isWantedKstat = args.exits ? isExitsKstat : isVcpuKstat;
  const read = async (): Promise<VmReading[]> => {
    await chain.update();
    const readings = await chain.read((header, vm) => isWanted(vm) && isWantedKstat(header));
    return readings.filter(({ vm }) => isWanted(vm));
  };
  const report = args.exits ? exitsReport(args, world.now) : ratesReport(args, world.now);
  const first = await read();
  if (!chain.vms.some(isWanted)) {
    throw new Refused(
      wantedVm !== undefined && chain.vms.length > 0
        ? `${wantedVm}: no running VM has that name, vmid or pid; lucid ps lists them`
        : `no VM is running (none in ${world.directory}); start one: lucid run --kernel FILE`,
    );
  }
  if (args.once) {
    await world.out(report.once(first));
    return;
  }
  report.start(first);
  for (let left = args.count; left > 0; left--) {
    await interval.sleep();
    const text = report.block(await read());
    if (text !== '') await world.out(text);
  }
}
