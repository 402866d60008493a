/** A VM that others see but that runs nothing: a memory with counters in it, and a socket. */
import process from 'node:process';
import { MEMORY_MAP, offsetOf } from '../../vmm/cpu/layout.ts';
import { type Kstat, KstatRegistry } from '../../vmm/kstat.ts';
import { clockWords, kvmKstats } from '../../vmm/kvm-kstats.ts';
import { claimVm, type VmClaim } from '../../vmm/runtime-directory.ts';
import { KSTAT_SERVICE, KstatService } from '../../vmm/vm-socket-kstat.ts';
import { VmServer } from '../../vmm/vm-socket-server.ts';

export interface FakeVm {
  readonly claim: VmClaim;
  readonly server: VmServer;
  readonly service: KstatService;
  /** Writes a word of a vCPU's state. */
  set(field: string, value: bigint, index?: number, vcpu?: number): void;
  /** Ends it as a VM does. */
  end(): void;
}

export interface FakeVmOptions {
  readonly vcpus?: number;
  readonly name?: string;
  /** Default: this process. */
  readonly pid?: number;
  /** Kstats beside those of every VM. */
  readonly more?: readonly Kstat[];
}

export async function fakeVm(
  directory: string,
  { vcpus = 1, name = 'fake', pid = process.pid, more = [] }: FakeVmOptions = {},
): Promise<FakeVm> {
  const claim = claimVm(directory);
  const buffer = new SharedArrayBuffer(MEMORY_MAP.VCPU_BASE + vcpus * MEMORY_MAP.VCPU_STRIDE);
  const view = new DataView(buffer);
  const registry = new KstatRegistry({ buffer, clock: clockWords() });
  const owner = { vmid: claim.vmid, pid, zonename: name, crtime: 0 };
  for (const kstat of [...kvmKstats(owner, vcpus), ...more]) registry.add(kstat);
  const service = new KstatService(buffer, registry.publish());
  const server = await VmServer.open(claim.socket, { vmid: claim.vmid, pid, name, vcpus }, { [KSTAT_SERVICE]: service.serve });
  return {
    claim,
    server,
    service,
    set(field, value, index = 0, vcpu = 0) {
      view.setBigUint64(MEMORY_MAP.VCPU_BASE + vcpu * MEMORY_MAP.VCPU_STRIDE + offsetOf(field, index), value, true);
    },
    end() {
      server.close();
      claim.release();
    },
  };
}

/** The state fields that kvmstat's columns come from. */
export const COLUMN_FIELDS: Readonly<Record<string, readonly [field: string, index: number]>> = {
  exits: ['KS_EXITS', 0],
  haltx: ['EXIT_COUNT', 12],
  irqx: ['EXIT_COUNT', 1],
  irqwx: ['EXIT_COUNT', 7],
  iox: ['EXIT_COUNT', 30],
  mmiox: ['KS_MMIO_EXITS', 0],
  irqs: ['KS_IRQ_INJECTIONS', 0],
  emul: ['KS_INSN_EMULATION', 0],
  eptv: ['KS_PF_FIXED', 0],
};
