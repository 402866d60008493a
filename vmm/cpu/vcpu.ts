/**
 * A vCPU in the shape of KVM's API: `run()` enters the guest and returns a run exit; everything else gets and sets its state.
 *
 * A *run exit* is what nothing inside the VM handles (KVM_EXIT_*). A VM exit has an SDM number and is counted by the core, whether it
 * comes out here or not. Devices on a bus are called from inside `run()`; deadlines fire there too.
 *
 * As in KVM, an access is completed by the next `run()`: put a read's answer into `exit.data` (and `dataHigh` for 8 bytes) and call `run()`
 * again. Until then the registers are those before the instruction, which is re-executed with the answers so far.
 *
 * @module
 */
import { type CoreExports, RUN } from './core.ts';
import { captureFields, restoreFields } from './fields.ts';
import { ANSWERS_MAX, type Field, FIELDS, offsetOf } from './layout.ts';
import {
  ACTIVITIES,
  type CpuidEntry,
  type DebugRegisters,
  EVENT,
  type FpuState,
  GENERAL,
  MSR_FIELDS,
  type Registers,
  SEGMENTS,
  type SpecialRegisters,
  StateView,
  type VcpuEvents,
} from './registers.ts';

/** Why `run()` returned. */
export type RunExitReason =
  /** A port access that nobody registered for. */
  | 'io'
  /** An access to a guest physical address that is neither RAM nor a registered region. */
  | 'mmio'
  /** An MSR that the VM was told to hand out. */
  | 'msr'
  /** HLT, when the VM has no interrupt controller, or nothing can ever wake it. */
  | 'hlt'
  /** Triple fault. */
  | 'shutdown'
  /** The limit given to `run`, or the VM's `onSlice`, asked to stop. */
  | 'intr'
  /** A device asked for it (`vm.stop()`): power-off, reset. */
  | 'system-event'
  /** The core cannot go on; `detail` says why. */
  | 'internal-error';

/** One object per vCPU, filled by each `run()`, as KVM's run page. */
export interface RunExit {
  reason: RunExitReason;
  /** io: the port. */
  port: number;
  /** io, mmio: bytes of the access. */
  size: 1 | 2 | 4 | 8;
  /** io, mmio, msr: the guest writes. */
  write: boolean;
  /** Low 32 bits of the value written, or of the answer to a read. */
  data: number;
  /** High 32 bits, for mmio of 8 bytes and msr. */
  dataHigh: number;
  /** mmio: the guest physical address. */
  gpa: number;
  /** msr: its index. */
  msr: number;
  /** internal-error, hlt: one line that says why. */
  detail: string;
}

/** Texts of the core's INTERNAL_* codes. */
const INTERNAL: Readonly<Record<number, string>> = {
  1: 'instruction fetch from an address that is not RAM',
  2: 'instruction not implemented',
  3: 'an interrupt or exception whose descriptors or stack lie in a device that nobody answers for',
  4: 'exceptions without end: 100000 of them, and no instruction completed in between',
};

/** Instructions between two looks outside, at most. */
export const SLICE = 100_000;

const TWO32 = 0x1_0000_0000;

/** Fields that a reset of the processor does not touch: time, and what was counted. */
const GOES_ON: readonly Field[] = FIELDS.filter((f) =>
  /^(ICOUNT|CLOCK_OFFSET|ENTRY_CLOCK|EXIT_(HASH|RING|RING_NEXT|COUNT|TIME|MIN|MAX)|IRQ_COUNT|RANDOM|KS_.*|ENG_.*)$/.test(f.name),
);

/** What a vCPU asks of the VM around it. */
export interface VcpuHost {
  readonly core: CoreExports;
  readonly memory: WebAssembly.Memory;
  readonly u32: Uint32Array;
  /** Instructions between two looks outside. */
  readonly slice: number;
  /** Called between slices; true ends `run`. */
  readonly onSlice?: (() => boolean) | undefined;
  readonly clock: { readonly base: number; follow(base: number): void; now(): number; refresh(): void; fireDue(): void; profile(): void };
  readonly irqchip?: { taskPriorityWritten(vcpu: number, priority: number): void } | undefined;
  readonly stopping: boolean;
  readonly ram: { gpaOf(host: number): number; read(gpa: number, into: Uint8Array): boolean };
  /** Lets time pass for a halted vCPU; true when it has something to wake for. */
  waitForEvent(vcpu: Vcpu): boolean;
  readMsr(vcpu: Vcpu, index: number): bigint | undefined;
  writeMsr(vcpu: Vcpu, index: number, value: bigint): boolean;
  setCpuid(entries: readonly CpuidEntry[]): void;
}

/** A virtual CPU. `Vm.createVcpu` makes it. */
export class Vcpu {
  readonly index: number;
  /** Where its state stands in the VM's memory. */
  readonly base: number;
  readonly state: StateView;
  readonly exit: RunExit = { reason: 'intr', port: 0, size: 1, write: false, data: 0, dataHigh: 0, gpa: 0, msr: 0, detail: '' };
  readonly #vm: VcpuHost;
  readonly #core: CoreExports;
  readonly #u32: Uint32Array;
  /** An exit waits for its answer. */
  #unanswered = false;
  /** It was reset once: its counters mean something. */
  #ready = false;

  constructor(vm: VcpuHost, index: number, base: number) {
    this.#vm = vm;
    this.index = index;
    this.base = base;
    this.#core = vm.core;
    this.#u32 = vm.u32;
    this.state = new StateView(vm.memory.buffer, base);
  }

  #at(field: string): number {
    return (this.base + offsetOf(field)) >>> 2;
  }

  readonly #field = {
    event: 0,
    activity: 0,
    rflags: 0,
    sliceEnd: 0,
    icount: 0,
    ioData: 0,
    ioPort: 0,
    ioSize: 0,
    ioWrite: 0,
    ioGpa: 0,
    answers: 0,
    answer: 0,
    statusText: 0,
    nmiBlocked: 0,
    yield: 0,
  };

  /** Power-on state (SDM vol. 3, table 10-1). Instruction count, clock and counters go on. */
  reset(): void {
    const kept = this.#ready ? captureFields(this.#vm.memory, this.base, GOES_ON) : undefined;
    this.#core.reset(this.base);
    if (kept !== undefined) restoreFields(this.#vm.memory, this.base, GOES_ON, kept);
    this.#ready = true;
    const f = this.#field;
    f.event = this.#at('EVENT');
    f.activity = this.#at('ACTIVITY');
    f.rflags = this.#at('RFLAGS');
    f.sliceEnd = this.#at('SLICE_END');
    f.icount = this.#at('ICOUNT');
    f.yield = this.#at('YIELD');
    f.ioData = this.#at('IO_DATA');
    f.ioPort = this.#at('IO_PORT');
    f.ioSize = this.#at('IO_SIZE');
    f.ioWrite = this.#at('IO_WRITE');
    f.ioGpa = this.#at('IO_GPA');
    f.answers = this.#at('ANSWERS');
    f.answer = this.#at('ANSWER');
    f.statusText = this.#at('STATUS_TEXT');
    f.nmiBlocked = this.#at('NMI_BLOCKED');
    this.#unanswered = false;
    this.#vm.clock.refresh();
  }

  /** Starts the generator behind RDRAND and RDSEED from the VM's seed: each vCPU has its own sequence, for ever. */
  seedRandom(seed: number): void {
    const at = this.#at('RANDOM');
    // The second word tells these sequences from any other generator's of the same seed.
    this.#vm.u32.set([seed >>> 0, this.index, 0x6c75_6369, 0x6421_0001], at);
  }

  /** Retired instructions. */
  get instructions(): number {
    const i = this.#field.icount;
    return (this.#u32[i + 1] as number) * TWO32 + (this.#u32[i] as number);
  }

  /**
   * Enters the guest and returns at the next run exit; returns 'intr' once `limit` instructions (of this vCPU, since it was created) have retired.
   * Returns the same object each time. Never throws for anything that a guest does.
   */
  run(limit = Number.POSITIVE_INFINITY): RunExit {
    if (this.#unanswered) this.#answer();
    const vm = this.#vm;
    const exit = this.exit;
    // Several vCPUs run one after the other: this one moves the clock now.
    if (vm.clock.base !== this.base) vm.clock.follow(this.base);
    let fired = 0;
    for (;;) {
      const start = this.instructions;
      if (start >= limit || this.#u32[this.#field.yield] !== 0) return this.#leave('intr');
      this.#setSliceEnd(Math.min(limit, start + vm.slice));
      let code: number;
      try {
        code = this.#enter();
        // No event of the VM: it goes on as if it had not left.
        while (code === RUN.PROFILE) {
          vm.clock.profile();
          code = this.#enter();
        }
        if (code === RUN.DEADLINE) {
          vm.clock.fireDue();
          // Deadlines that come without the guest moving must not lock the outside world out.
          if (++fired < DEADLINES_PER_LOOK) continue;
          code = RUN.SLICE;
        }
      } catch (error) {
        exit.detail = `the engine failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
        return this.#leave('internal-error');
      }
      switch (code) {
        case RUN.SLICE:
          fired = 0;
          if (vm.onSlice?.() === true) return this.#leave('intr');
          continue;
        case RUN.HLT:
          if (this.#lateStartup()) continue;
          if (vm.irqchip === undefined) return this.#leave('hlt');
          if (vm.waitForEvent(this)) continue;
          return this.#leave(vm.stopping ? 'intr' : 'hlt');
        default:
          return this.#decode(code);
      }
    }
  }

  #enter(): number {
    if ((this.#u32[this.#field.activity] as number) === 1 && !this.ready) return RUN.HLT;
    return this.#core.run(this.base);
  }

  #leave(reason: RunExitReason): RunExit {
    this.exit.reason = reason;
    return this.exit;
  }

  #decode(code: number): RunExit {
    const u32 = this.#u32;
    const f = this.#field;
    const exit = this.exit;
    exit.detail = '';
    switch (code) {
      case RUN.IO:
      case RUN.MMIO:
      case RUN.MSR:
        exit.port = u32[f.ioPort] as number;
        exit.size = u32[f.ioSize] as 1 | 2 | 4 | 8;
        exit.write = u32[f.ioWrite] !== 0;
        exit.data = u32[f.ioData] as number;
        exit.dataHigh = u32[f.ioData + 1] as number;
        exit.gpa = (u32[f.ioGpa + 1] as number) * TWO32 + (u32[f.ioGpa] as number);
        exit.msr = u32[f.ioPort] as number;
        this.#unanswered = true;
        return this.#leave(code === RUN.IO ? 'io' : code === RUN.MMIO ? 'mmio' : 'msr');
      case RUN.SHUTDOWN:
        return this.#leave('shutdown');
      case RUN.EVENT:
        return this.#leave('system-event');
      case RUN.INTERNAL:
        exit.detail = INTERNAL[u32[f.statusText] as number] ?? `internal error ${u32[f.statusText]} of the core`;
        return this.#leave('internal-error');
      default:
        exit.detail = `the core returned ${code}`;
        return this.#leave('internal-error');
    }
  }

  /** Hands the answer of the last exit to the instruction that is re-executed. */
  #answer(): void {
    this.#unanswered = false;
    const u32 = this.#u32;
    const n = u32[this.#field.answers] as number;
    if (n >= ANSWERS_MAX) return;
    u32[this.#field.answer + 2 * n] = this.exit.data;
    u32[this.#field.answer + 2 * n + 1] = this.exit.dataHigh;
    u32[this.#field.answers] = n + 1;
  }

  #setSliceEnd(at: number): void {
    this.#u32[this.#field.sliceEnd] = at % TWO32;
    this.#u32[this.#field.sliceEnd + 1] = Math.floor(at / TWO32);
  }

  /** A halted vCPU has something to wake for (SDM vol. 2, HLT): an enabled interrupt, or an NMI that is not blocked. */
  runnable(): boolean {
    const event = this.#u32[this.#field.event] as number;
    if ((event & EVENT.STOP) !== 0) return true;
    if ((event & EVENT.NMI) !== 0 && this.#u32[this.#field.nmiBlocked] === 0) return true;
    return (event & EVENT.INTR) !== 0 && this.interruptsEnabled;
  }

  /** It spins: once true, then false until it has spun again. */
  takeYield(): boolean {
    const yields = this.#u32[this.#field.yield] !== 0;
    this.#u32[this.#field.yield] = 0;
    return yields;
  }

  /** Can go on: it is active, or has something to wake for. */
  get ready(): boolean {
    const activity = this.#u32[this.#field.activity] as number;
    if (activity === 0 || this.runnable())
      return activity !== WAIT_FOR_SIPI || ((this.#u32[this.#field.event] as number) & EVENT.STOP) !== 0;
    return ((this.#u32[this.#field.event] as number) & EVENT.INIT) !== 0;
  }

  /** The start-up IPI that came while INIT was pending; true when there was one. */
  #lateStartup(): boolean {
    const vector = this.state.number('SIPI') - 1;
    if (vector < 0 || this.state.number('ACTIVITY') !== WAIT_FOR_SIPI) return false;
    this.startup(vector);
    return true;
  }

  /** An application processor after power-on: it waits for INIT and a start-up IPI. */
  waitForStartup(): void {
    this.state.setNumber('ACTIVITY', WAIT_FOR_SIPI);
  }

  /** Of several vCPUs that are all halted: 'intr' when time has passed or the outside asked, else 'hlt' for ever. */
  halted(goesOn: boolean): RunExit {
    return this.#leave(goesOn ? 'intr' : 'hlt');
  }

  /** RFLAGS.IF. */
  get interruptsEnabled(): boolean {
    return ((this.#u32[this.#field.rflags] as number) & 0x200) !== 0;
  }

  /** A start-up IPI (SDM vol. 3, 9.4.3): taken only after INIT; execution starts at vector * 4 KiB in real mode. */
  startup(vector: number): void {
    const s = this.state;
    // INIT comes first, which the vCPU takes when it runs next.
    if (((this.#u32[this.#field.event] as number) & EVENT.INIT) !== 0) {
      s.setNumber('SIPI', vector + 1);
      return;
    }
    if (s.number('ACTIVITY') !== WAIT_FOR_SIPI) return;
    s.setNumber('SIPI', 0);
    s.setNumber('SEG_SEL', vector << 8, CS);
    s.setNumber('SEG_BASE', vector << 12, CS);
    s.setNumber('RIP', 0);
    s.setNumber('ACTIVITY', 0);
    this.#core.modeChanged(this.base);
  }

  /** Raises bits of EVENT; the core looks at them at the next instruction boundary. */
  raise(bits: number): void {
    (this.#u32[this.#field.event] as number) |= bits;
  }

  clear(bits: number): void {
    (this.#u32[this.#field.event] as number) &= ~bits;
  }

  getRegs(): Registers {
    const s = this.state;
    const regs = { rip: s.get('RIP'), rflags: BigInt(this.#core.readFlags(this.base) >>> 0) } as Registers;
    GENERAL.forEach((name, i) => {
      regs[name] = s.get('REGS', i);
    });
    return regs;
  }

  /** Sets the registers that `regs` names. */
  setRegs(regs: Partial<Registers>): void {
    const s = this.state;
    GENERAL.forEach((name, i) => {
      const value = regs[name];
      if (value !== undefined) s.set('REGS', value, i);
    });
    if (regs.rip !== undefined) {
      s.set('RIP', regs.rip);
      s.set('STRING_AT', 0xffff_ffff_ffff_ffffn);
    }
    if (regs.rflags !== undefined) this.#core.writeFlags(this.base, Number(regs.rflags & 0xffffffffn));
    this.#core.modeChanged(this.base);
  }

  getSregs(): SpecialRegisters {
    const s = this.state;
    const sregs = {
      gdtr: { base: s.get('GDTR_BASE'), limit: s.number('GDTR_LIMIT') },
      idtr: { base: s.get('IDTR_BASE'), limit: s.number('IDTR_LIMIT') },
      cr0: s.get('CR0'),
      cr2: s.get('CR2'),
      cr3: s.get('CR3'),
      cr4: s.get('CR4'),
      cr8: s.get('CR8'),
      efer: s.get('EFER'),
      apicBase: s.get('APIC_BASE'),
    } as SpecialRegisters;
    SEGMENTS.forEach((name, i) => {
      sregs[name] = {
        selector: s.number('SEG_SEL', i),
        base: s.get('SEG_BASE', i),
        limit: s.number('SEG_LIMIT', i),
        accessRights: s.number('SEG_AR', i),
      };
    });
    return sregs;
  }

  /** Sets the registers that `sregs` names, without the checks of the instructions that load them, as KVM_SET_SREGS. */
  setSregs(sregs: Partial<SpecialRegisters>): void {
    const s = this.state;
    SEGMENTS.forEach((name, i) => {
      const segment = sregs[name];
      if (segment === undefined) return;
      s.setNumber('SEG_SEL', segment.selector, i);
      s.set('SEG_BASE', segment.base, i);
      s.setNumber('SEG_LIMIT', segment.limit, i);
      s.setNumber('SEG_AR', segment.accessRights, i);
    });
    if (sregs.gdtr !== undefined) this.#setTable('GDTR', sregs.gdtr);
    if (sregs.idtr !== undefined) this.#setTable('IDTR', sregs.idtr);
    const plain = { cr0: 'CR0', cr2: 'CR2', cr3: 'CR3', cr4: 'CR4', cr8: 'CR8', efer: 'EFER', apicBase: 'APIC_BASE' } as const;
    for (const [key, field] of Object.entries(plain)) {
      const value = sregs[key as keyof typeof plain];
      if (value !== undefined) s.set(field, value);
    }
    this.#core.modeChanged(this.base);
    this.#core.tlbFlush(this.base, 1);
    this.#loadPdptes();
    if (sregs.cr8 !== undefined) this.#vm.irqchip?.taskPriorityWritten(this.index, Number(sregs.cr8 & 15n));
    if (sregs.apicBase !== undefined) this.#vm.writeMsr(this, 0x1b, sregs.apicBase);
  }

  /** PAE paging keeps its four page-directory-pointer entries in registers (SDM vol. 3, 4.4.1): they come with CR3. */
  #loadPdptes(): void {
    const s = this.state;
    const pae = (s.get('CR0') & CR0_PG) !== 0n && (s.get('CR4') & CR4_PAE) !== 0n && (s.get('EFER') & EFER_LMA) === 0n;
    if (!pae) return;
    const entries = new DataView(new ArrayBuffer(32));
    this.#vm.ram.read((s.number('CR3') & ~31) >>> 0, new Uint8Array(entries.buffer));
    for (let i = 0; i < 4; i++) s.set('PDPTE', entries.getBigUint64(8 * i, true), i);
  }

  #setTable(name: 'GDTR' | 'IDTR', table: { base: bigint; limit: number }): void {
    this.state.set(`${name}_BASE`, table.base);
    this.state.setNumber(`${name}_LIMIT`, table.limit);
  }

  getFpu(): FpuState {
    const s = this.state;
    return {
      fpr: Array.from({ length: 8 }, (_, i) => ({ significand: s.get('FPR', 2 * i), exponent: s.fprExponent(i) })),
      fcw: s.number('FCW'),
      fsw: s.number('FSW'),
      ftw: s.number('FTW'),
      fop: s.number('FOP'),
      fip: s.get('FIP'),
      fdp: s.get('FDP'),
      mxcsr: s.number('MXCSR'),
      xmm: Array.from({ length: 64 }, (_, i) => s.get('XMM', i)),
    };
  }

  setFpu(fpu: Partial<FpuState>): void {
    const s = this.state;
    fpu.fpr?.forEach((r, i) => {
      s.set('FPR', r.significand, 2 * i);
      s.setFprExponent(i, r.exponent);
    });
    const small = { fcw: 'FCW', fsw: 'FSW', ftw: 'FTW', fop: 'FOP', mxcsr: 'MXCSR' } as const;
    for (const [key, field] of Object.entries(small)) {
      const value = fpu[key as keyof typeof small];
      if (value !== undefined) s.setNumber(field, value);
    }
    if (fpu.fip !== undefined) s.set('FIP', fpu.fip);
    if (fpu.fdp !== undefined) s.set('FDP', fpu.fdp);
    fpu.xmm?.forEach((value, i) => {
      s.set('XMM', value, i);
    });
    this.#core.modeChanged(this.base);
  }

  /** An MSR, or undefined when there is none with this index. */
  getMsr(index: number): bigint | undefined {
    const field = MSR_FIELDS.get(index);
    if (field !== undefined) return this.state.get(field[0], field[1]);
    if (index === 0x10) return BigInt.asUintN(64, BigInt(this.#vm.clock.now()) + this.state.get('TSC_OFFSET'));
    return this.#vm.readMsr(this, index);
  }

  /** Sets an MSR without the checks of WRMSR; false when there is none with this index. */
  setMsr(index: number, value: bigint): boolean {
    const field = MSR_FIELDS.get(index);
    if (field !== undefined) {
      this.state.set(field[0], value, field[1]);
      if (index === 0x1b) this.#vm.writeMsr(this, index, value);
      if (index === 0xc0000080) {
        this.#core.modeChanged(this.base);
        this.#core.tlbFlush(this.base, 1);
      }
      return true;
    }
    if (index === 0x10) {
      this.state.set('TSC_OFFSET', BigInt.asUintN(64, value - BigInt(this.#vm.clock.now())));
      return true;
    }
    return this.#vm.writeMsr(this, index, value);
  }

  getEvents(): VcpuEvents {
    const s = this.state;
    const event = s.number('EVENT');
    const shadowed = s.get('SHADOW_AT') === s.get('ICOUNT');
    return {
      interruptPending: (event & EVENT.INTR) !== 0,
      nmiPending: (event & EVENT.NMI) !== 0,
      nmiMasked: s.number('NMI_BLOCKED') !== 0,
      initPending: (event & EVENT.INIT) !== 0,
      shadow: !shadowed ? 'none' : s.number('SHADOW_KIND') === 2 ? 'mov-ss' : 'sti',
      activity: ACTIVITIES[s.number('ACTIVITY')] ?? 'active',
      pendingDebug: s.get('PENDING_DB'),
    };
  }

  setEvents(events: Partial<VcpuEvents>): void {
    const s = this.state;
    const bit = (on: boolean | undefined, mask: number): void => {
      if (on === true) this.raise(mask);
      else if (on === false) this.clear(mask);
    };
    bit(events.interruptPending, EVENT.INTR);
    bit(events.nmiPending, EVENT.NMI);
    bit(events.initPending, EVENT.INIT);
    if (events.nmiMasked !== undefined) s.setNumber('NMI_BLOCKED', events.nmiMasked ? 1 : 0);
    if (events.shadow !== undefined) {
      s.set('SHADOW_AT', events.shadow === 'none' ? 0xffff_ffff_ffff_ffffn : s.get('ICOUNT'));
      s.setNumber('SHADOW_KIND', events.shadow === 'mov-ss' ? 2 : 1);
    }
    if (events.activity !== undefined) s.setNumber('ACTIVITY', ACTIVITIES.indexOf(events.activity));
    if (events.pendingDebug !== undefined) s.set('PENDING_DB', events.pendingDebug);
  }

  getDebugRegs(): DebugRegisters {
    const s = this.state;
    return { db: [s.get('DR', 0), s.get('DR', 1), s.get('DR', 2), s.get('DR', 3)], dr6: s.get('DR', 6), dr7: s.get('DR', 7) };
  }

  setDebugRegs(debug: Partial<DebugRegisters>): void {
    debug.db?.forEach((value, i) => {
      this.state.set('DR', value, i);
    });
    if (debug.dr6 !== undefined) this.state.set('DR', debug.dr6, 6);
    if (debug.dr7 !== undefined) this.state.set('DR', debug.dr7, 7);
    this.#core.modeChanged(this.base);
  }

  /** Replaces the VM's CPUID table. */
  setCpuid(entries: readonly CpuidEntry[]): void {
    this.#vm.setCpuid(entries);
  }

  /** Guest physical address behind a linear one by the present page tables, without side effects; undefined when not mapped to RAM. */
  translate(linear: bigint): number | undefined {
    const host = this.#core.translate(this.base, Number(linear & 0xffffffffn), Number((linear >> 32n) & 0xffffffffn), 0) >>> 0;
    if (host === 0) return undefined;
    const gpa = this.#vm.ram.gpaOf(host);
    return gpa < 0 ? undefined : gpa;
  }

  /** Up to `length` bytes at a linear address; shorter where it is not mapped. */
  readLinear(linear: bigint, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const address = linear + BigInt(at);
      const gpa = this.translate(BigInt.asUintN(64, address));
      if (gpa === undefined) return out.subarray(0, at);
      const part = Math.min(length - at, 4096 - Number(address & 0xfffn));
      this.#vm.ram.read(gpa, out.subarray(at, at + part));
      at += part;
    }
    return out;
  }
}

const WAIT_FOR_SIPI = 3;
const CR0_PG = 0x8000_0000n;
const CR4_PAE = 0x20n;
const EFER_LMA = 0x400n;
const CS = 1;
const DEADLINES_PER_LOOK = 1000;
