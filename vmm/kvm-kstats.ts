/**
 * The kstats of a VM and its vCPUs, with the names of illumos KVM, and this engine's own beside them.
 *
 * The names, class and instance numbers are the original's (`kvm:<vcpu>:vcpu-<vmid>`, `kvm:<vmid>:vm`); a statistic means what it means
 * there. Where this engine has no such event it stays 0: nothing is invented to make a column move. What the original does not have
 * stands in kstats of its own (`exits-`, `irqs-`, `engine`).
 *
 * Every counter is a word of the vCPU's state. Where each is incremented:
 *
 * | statistic | place |
 * |---|---|
 * | exits | `vmexit` in vmm/cpu/core/exits.ts, KS_EXITS |
 * | halt-exits, irq-exits, io-exits, irq-window-exits, nmi-window-exits | the same, EXIT_COUNT of reasons 12, 1, 30, 7, 8 |
 * | mmio-exits | the core's MMIO path, for what the irqchip does not answer, KS_MMIO_EXITS |
 * | pf-fixed | the core's EPT violation (first access to a 4 KB page of guest RAM), KS_PF_FIXED |
 * | insn-emulation | each emulated MMIO access and each string I/O, KS_INSN_EMULATION |
 * | inst-emulation-fail | an instruction that the core does not implement, KS_EMULATION_FAIL |
 * | irq-injections, nmi-injections | the core's event delivery, KS_IRQ_INJECTIONS, KS_NMI_INJECTIONS |
 * | halt-wakeup | the vCPU leaves HLT, KS_HALT_WAKEUP |
 * | signal-exits | run() returns because of the outside, KS_SIGNAL_EXITS |
 * | hypercalls | VMCALL, KS_HYPERCALLS |
 * | fpu-reload, host-state-reload, request-irq-exits, invlpg, pf-guest | nowhere: no lazy FPU, no host state, no shadow paging |
 *
 * All statistics of `kvm:<vmid>:vm` but `pid` and `zonename` describe the shadow MMU, which does not exist here.
 *
 * @module
 */
import { MEMORY_MAP, offsetOf } from './cpu/layout.ts';
import { EXIT_REASON_NAMES } from './exit-reason.ts';
import type { Kstat, StatSource } from './kstat.ts';

/** Whose kstats. */
export interface KvmKstatOwner {
  /** Number of the VM, unique on this host. */
  readonly vmid: number;
  /** Process that runs it. */
  readonly pid: number;
  /** illumos: the zone. Here the VM's name. */
  readonly zonename: string;
  /** VM clock in ns at creation. */
  readonly crtime: number;
}

/** Address of element `index` of a state field of a vCPU. */
function word(vcpu: number, field: string, index = 0): { readonly u64: number } {
  return { u64: MEMORY_MAP.VCPU_BASE + vcpu * MEMORY_MAP.VCPU_STRIDE + offsetOf(field, index) };
}

const never: StatSource = { value: 0 };

/** `kvm:<vmid>:vm`. */
export function vmKstat(owner: KvmKstatOwner): Kstat {
  return {
    module: 'kvm',
    instance: owner.vmid,
    name: 'vm',
    class: 'misc',
    crtime: owner.crtime,
    stats: {
      pid: { value: owner.pid },
      'mmu-pte-write': never,
      'mmu-pte-updated': never,
      'mmu-pte-zapped': never,
      'mmu-flooded': never,
      'mmu-cache-miss': never,
      'mmu-recycled': never,
      'remote-tlb-flush': never,
      lpages: never,
      'mmu-unsync-page': never,
      zonename: { value: owner.zonename },
    },
  };
}

/** `kvm:<vcpu>:vcpu-<vmid>`. */
export function vcpuKstat(owner: KvmKstatOwner, vcpu: number): Kstat {
  return {
    module: 'kvm',
    instance: vcpu,
    name: `vcpu-${owner.vmid}`,
    class: 'misc',
    crtime: owner.crtime,
    stats: {
      pid: { value: owner.pid },
      'nmi-injections': word(vcpu, 'KS_NMI_INJECTIONS'),
      'irq-injections': word(vcpu, 'KS_IRQ_INJECTIONS'),
      'fpu-reload': never,
      'host-state-reload': never,
      'insn-emulation': word(vcpu, 'KS_INSN_EMULATION'),
      'inst-emulation-fail': word(vcpu, 'KS_EMULATION_FAIL'),
      exits: word(vcpu, 'KS_EXITS'),
      'halt-exits': word(vcpu, 'EXIT_COUNT', 12),
      'irq-exits': word(vcpu, 'EXIT_COUNT', 1),
      'io-exits': word(vcpu, 'EXIT_COUNT', 30),
      'mmio-exits': word(vcpu, 'KS_MMIO_EXITS'),
      'nmi-window-exits': word(vcpu, 'EXIT_COUNT', 8),
      'irq-window-exits': word(vcpu, 'EXIT_COUNT', 7),
      'request-irq-exits': never,
      'signal-exits': word(vcpu, 'KS_SIGNAL_EXITS'),
      'halt-wakeup': word(vcpu, 'KS_HALT_WAKEUP'),
      invlpg: never,
      'pf-guest': never,
      'pf-fixed': word(vcpu, 'KS_PF_FIXED'),
      hypercalls: word(vcpu, 'KS_HYPERCALLS'),
      zonename: { value: owner.zonename },
    },
  };
}

/** A reason's name as statistics spell it: `io-instruction`. */
export function exitStatName(reason: number): string {
  return (EXIT_REASON_NAMES[reason] ?? `reason-${reason}`).toLowerCase().replaceAll('_', '-');
}

/** `kvm:<vcpu>:exits-<vmid>`: exits by reason, with their modelled time in ns of the VM's clock. */
export function exitsKstat(owner: KvmKstatOwner, vcpu: number): Kstat {
  const stats: Record<string, StatSource> = {};
  EXIT_REASON_NAMES.forEach((_, reason) => {
    const name = exitStatName(reason);
    stats[name] = word(vcpu, 'EXIT_COUNT', reason);
    stats[`${name}-time-ns`] = word(vcpu, 'EXIT_TIME', reason);
    stats[`${name}-min-ns`] = { ...word(vcpu, 'EXIT_MIN', reason), unset: true };
    stats[`${name}-max-ns`] = word(vcpu, 'EXIT_MAX', reason);
  });
  return { module: 'kvm', instance: vcpu, name: `exits-${owner.vmid}`, class: 'misc', crtime: owner.crtime, stats };
}

/** `kvm:<vcpu>:irqs-<vmid>`: interrupts injected, `vec-<hex>` for each vector that was. */
export function irqsKstat(owner: KvmKstatOwner, vcpu: number): Kstat {
  const stats: Record<string, StatSource> = {};
  for (let vector = 0; vector < 256; vector++) stats[`vec-${vector.toString(16).padStart(2, '0')}`] = word(vcpu, 'IRQ_COUNT', vector);
  return { module: 'kvm', instance: vcpu, name: `irqs-${owner.vmid}`, class: 'misc', crtime: owner.crtime, sparse: true, stats };
}

/** `engine:<vcpu>:engine-<vmid>`: what the engine did to run the guest; says nothing about the guest and depends on the engine's mode. */
export function engineKstat(owner: KvmKstatOwner, vcpu: number): Kstat {
  return {
    module: 'engine',
    instance: vcpu,
    name: `engine-${owner.vmid}`,
    class: 'misc',
    crtime: owner.crtime,
    stats: {
      instructions: word(vcpu, 'ICOUNT'),
      'lines-decoded': word(vcpu, 'ENG_LINES'),
      'uops-decoded': word(vcpu, 'ENG_UOPS'),
      'dtlb-misses': word(vcpu, 'ENG_TLB_MISSES'),
      'itlb-misses': word(vcpu, 'ENG_ITLB_MISSES'),
      'single-steps': word(vcpu, 'ENG_STEPS'),
      invalidations: word(vcpu, 'ENG_INVALIDATIONS'),
      'tlb-flushes': word(vcpu, 'ENG_FLUSHES'),
    },
  };
}

/** Every kstat of a VM with `vcpus` vCPUs. */
export function kvmKstats(owner: KvmKstatOwner, vcpus: number): Kstat[] {
  const list = [vmKstat(owner)];
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    list.push(vcpuKstat(owner, vcpu), exitsKstat(owner, vcpu), irqsKstat(owner, vcpu), engineKstat(owner, vcpu));
  }
  return list;
}

/** Addresses whose sum is the VM's clock, as the words of vCPU 0 keep it. */
export function clockWords(vcpu = 0): number[] {
  return ['ICOUNT', 'CLOCK_OFFSET'].map((field) => word(vcpu, field).u64);
}
