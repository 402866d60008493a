/**
 * Runs hostile guests (hostile-guest.ts) on a VM whose every other byte is watched, and compares one guest's runs by different roads.
 *
 * Roads: in slices as long as they come; in slices of one instruction, so that nothing runs from decoded lines; in slices of random
 * length, with all decoded code dropped now and then; stopped, saved and restored. What the guest can see must not depend on it: registers, RAM,
 * what its devices were asked and when, and how the run ended.
 *
 * @module
 */
import { FIELDS, MEMORY_MAP, offsetOf, STATE_SIZE, VCPU_AREA } from '../../vmm/cpu/layout.ts';
import { EVENT } from '../../vmm/cpu/registers.ts';
import { type RunExit, SLICE, type Vcpu } from '../../vmm/cpu/vcpu.ts';
import { parseIntercepts, Vm } from '../../vmm/index.ts';
import { captureFields } from '../../vmm/cpu/fields.ts';
import { begin, compose, extendedState, type Mode, Random, type Start, type Style } from './hostile-guest.ts';

const RAM_BYTES = 0x200000;
const RAM = MEMORY_MAP.RAM_BASE;
const HIGH = 0x1_0000_0000;

/** gpa, bytes, offset in the VM's RAM; the rest of that RAM is in no slot and stays as it is. */
const SLOTS = [
  { gpa: 0, bytes: 0xa0000, at: 0, readOnly: false },
  { gpa: 0xc0000, bytes: 0x40000, at: 0xc0000, readOnly: false },
  { gpa: 0x100000, bytes: 0x40000, at: 0x100000, readOnly: true },
  { gpa: HIGH, bytes: 0x80000, at: 0x180000, readOnly: false },
] as const;

/** How a guest is taken through its instructions. */
export interface Road {
  readonly name: string;
  /** Instructions in a slice; 0: random. */
  readonly slice: number;
  /** Decoded code is dropped at some slice ends. */
  readonly drop: boolean;
  /** Stops on the way, and goes on from a saved state. */
  readonly save?: boolean;
  /** What fills memory that the guest has no business with; bit 1 clear: of page flags it would mean that there is code. */
  readonly poison: number;
}

export const ROADS: readonly Road[] = [
  { name: 'long slices', slice: SLICE, drop: false, poison: 0x00 },
  { name: 'the same again, other poison', slice: SLICE, drop: false, poison: 0xa5 },
  { name: 'single instructions', slice: 1, drop: false, poison: 0x58 },
  { name: 'random slices', slice: 0, drop: false, poison: 0xfd },
  { name: 'random slices, code dropped', slice: 0, drop: true, poison: 0x0d },
  { name: 'saved and restored', slice: SLICE, drop: false, save: true, poison: 0x71 },
];

/** Something that runs hostile guests. */
export interface Stand {
  /** Runs the guest of a seed by one road, for at most `limit` instructions. Throws Broken when the engine misbehaves. */
  go(seed: number, mode: Mode, style: Style, limit: number, road: Road): Ending;
}

/** How a run ended, and everything that the guest could see. */
export interface Ending {
  readonly why: string;
  readonly instructions: number;
  readonly clock: number;
  /** Hash over all device accesses with their time. */
  readonly accesses: number;
  readonly exitHash: bigint;
  readonly rflags: bigint;
  readonly state: Uint8Array;
  readonly ram: Uint8Array;
}

/** A run that broke a promise. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** Fields that the guest can see or that decide what it will see. SLICE_END is the road's own; flags are kept in several ways and compared as read. */
export const SEEN = FIELDS.filter((f) => f.saved && !/^(SLICE_END|RFLAGS|FLAG_.*)$/.test(f.name));

const JUMP_GEN = offsetOf('JUMP_GEN');
const WIDTH = { u8: 1, u16: 2, u32: 4, u64: 8 } as const;
/** Accesses that leave run() without an instruction retiring between them, at most: FXSAVE to a device is 64, a task switch fewer. */
const PATIENCE = 300;
const WAKE_UPS = 5;

export function stateFields(vcpu: Vcpu, vm: Vm): Uint8Array {
  return captureFields(vm.memory, vcpu.base, SEEN);
}

const poisons = new Map<number, Uint8Array>();

/** `length` bytes of a poison. */
function poisoned(poison: number, length: number): Uint8Array {
  let bytes = poisons.get(poison);
  if (bytes === undefined || bytes.length < length) {
    bytes = new Uint8Array(Math.max(length, 0x40_0000)).fill(poison);
    poisons.set(poison, bytes);
  }
  return bytes.subarray(0, length);
}

/** One VM, used for guest after guest. */
export class Bench implements Stand {
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  readonly #bytes: Uint8Array;
  readonly #watched: { name: string; from: number; to: number }[] = [];
  #poison = 0;
  /** The VM's area and the core's constants, as they were. */
  #kept = new Uint8Array(0);
  /** The guest composed last: the next road runs the same. */
  #guest: { readonly key: string; readonly start: Start; readonly ram: Uint8Array } | undefined;
  #log = 0;
  #accesses = 0;
  #wakeUps = 0;
  #ended: string | undefined;
  #random = new Random(0);
  #deadline;

  constructor() {
    this.vm = Vm.createSync({ memory: RAM_BYTES });
    this.vcpu = this.vm.createVcpu(0);
    // A second one, that never runs.
    this.vm.createVcpu(1);
    this.#bytes = this.vm.ram.bytes;
    this.vm.setMemorySlots(SLOTS.map(({ gpa, bytes, at, readOnly }) => ({ gpa, bytes, host: RAM + at, readOnly })));
    this.#deadline = this.vm.clock.deadline('hostile', (now) => {
      this.#note(0xd, now, 0);
      this.vcpu.raise(EVENT.NMI);
    });
    const device = {
      portRead: (port: number, size: number) => this.#access(1, port, size, 0),
      portWrite: (port: number, size: number, value: number) => void this.#access(2, port, size, value),
      mmioRead: (at: number, size: number) => this.#access(3, at, size, 0),
      mmioWrite: (at: number, size: number, value: number) => void this.#access(4, at, size, value),
    };
    this.vm.ports.addPorts(0x20, 0x80, device, 'chatter');
    this.vm.ports.addPorts(0x3f8, 8, device, 'chatter');
    this.vm.mmio.addMmio(0xa0000, 0x8000, device, 'chatter');
    this.vm.mmio.addMmio(0xfee00000, 0x1000, device, 'chatter');
    this.#watch();
  }

  /** Places that no guest may reach. */
  #watch(): void {
    const { VCPU_BASE, VCPU_STRIDE, PAGE_FLAGS, PAGE_LINES, LINE_HASH, TRACE } = MEMORY_MAP;
    const pages = RAM_BYTES / 4096;
    const add = (name: string, from: number, to: number): void => void this.#watched.push({ name, from, to });
    add('the first 64 KiB', 0, MEMORY_MAP.CORE_DATA);
    add('behind the state', VCPU_BASE + STATE_SIZE, VCPU_BASE + VCPU_AREA.DTLB);
    add('behind the instruction TLB', VCPU_BASE + VCPU_AREA.ITLB + 0x8000, VCPU_BASE + VCPU_AREA.JUMPS);
    add("behind the vCPU's areas", VCPU_BASE + VCPU_AREA.ITLB_LIST + 0x7000, VCPU_BASE + VCPU_STRIDE);
    for (let i = 2; i < 8; i++) {
      const base = VCPU_BASE + i * VCPU_STRIDE;
      add(`vCPU ${i}'s state`, base, base + JUMP_GEN);
      add(`vCPU ${i}'s state`, base + JUMP_GEN + 4, base + offsetOf('DTLB_FILLED'));
      add(`vCPU ${i}'s areas`, base + STATE_SIZE, base + VCPU_STRIDE);
    }
    add('page flags', PAGE_FLAGS + pages, PAGE_LINES);
    add('page lines', PAGE_LINES + pages * 4, LINE_HASH);
    add('the trace area', TRACE + 0x10000, RAM);
    add('behind RAM', RAM + RAM_BYTES, RAM + RAM_BYTES + 0x100000);
    add('RAM in no slot', RAM + 0xa0000, RAM + 0xc0000);
    add('RAM in no slot', RAM + 0x140000, RAM + 0x180000);
  }

  /** Sets up the guest of a seed; nothing of the one before remains. */
  load(seed: number, mode: Mode, style: Style, road: Road): void {
    const { vm, vcpu } = this;
    const bytes = this.#bytes;
    const { start, ram } = this.#compose(seed, mode, style);
    bytes.set(ram, RAM);
    vm.core.dropAllCode();
    bytes.fill(0, MEMORY_MAP.PAGE_FLAGS, MEMORY_MAP.PAGE_FLAGS + RAM_BYTES / 4096);
    vm.core.reset(vcpu.base);
    vcpu.reset();
    this.#deadline.cancel();
    this.#log = 0;
    this.#accesses = 0;
    this.#wakeUps = 0;
    this.#ended = undefined;
    const options = new Random(seed ^ 0x5bd1e995);
    vm.setIntercepts(parseIntercepts(options.oneIn(4) ? 'cr3,invlpg,rdtsc,pause,dr,cr8,pf,ud,gp,db' : ''));
    this.#enter(start, options, mode);
    if (options.oneIn(10)) {
      // Breakpoints on execution, on writes, and on any access.
      vcpu.setDebugRegs({
        db: [0x20100n + BigInt(options.below(0x1000)), 0x30010n, 0x31000n, start.regs.rsp],
        dr7: options.u64() & 0xffff03ffn,
      });
    }
    if (mode === 'pae' || mode === 'garbage') {
      // KVM_SET_SREGS2 takes these along; a guest's own MOV to CR3 loads them.
      for (let i = 0; i < 4; i++) vcpu.state.set('PDPTE', options.oneIn(4) ? options.u64() : 0x13001n, i);
    }
    this.#poison = road.poison;
    for (const { from, to } of this.#watched) bytes.fill(road.poison, from, to);
    this.#kept = bytes.slice(MEMORY_MAP.CORE_DATA, MEMORY_MAP.VCPU_BASE);
    this.#random = new Random(seed ^ 0x2545f491);
  }

  #enter({ sregs, regs }: Pick<Start, 'sregs' | 'regs'>, random: Random, mode: Mode): void {
    const { vcpu } = this;
    for (const [field, value] of extendedState(random, mode)) vcpu.state.set(field, BigInt.asUintN(64, value));
    vcpu.setSregs(sregs);
    vcpu.setRegs(regs);
  }

  /**
   * A guest's memory lived in again and again, by a processor that starts anew whenever it came to an end or retired `limit` instructions, until
   * `instructions` are retired or `lives` are over. Throws Broken when the engine misbehaves. Returns the instructions retired.
   */
  lives(seed: number, mode: Mode, style: Style, limit: number, lives: number): number {
    const road = ROADS[0] as Road;
    this.load(seed, mode, style, road);
    let sum = 0;
    for (let life = 1; ; life++) {
      this.#toTheEnd(limit);
      sum += this.vcpu.instructions;
      if (life === lives) break;
      this.vm.core.reset(this.vcpu.base);
      this.vcpu.reset();
      this.#deadline.cancel();
      this.#wakeUps = 0;
      this.#ended = undefined;
      const again = seed * 64 + life;
      this.#enter(begin(again, mode), new Random(again), mode);
    }
    this.#check();
    return sum;
  }

  #compose(seed: number, mode: Mode, style: Style): { readonly start: Start; readonly ram: Uint8Array } {
    const key = `${seed} ${mode} ${style}`;
    if (this.#guest?.key !== key) {
      const ram = new Uint8Array(RAM_BYTES);
      const start = compose(seed, mode, style, { set: (gpa, data) => ram.set(data, gpa) });
      this.#guest = { key, start, ram };
    }
    return this.#guest;
  }

  #note(...what: number[]): void {
    for (const n of what) this.#log = Math.imul(this.#log ^ (n >>> 0) ^ Math.floor(n / 2 ** 32), 0x9e3779b1) >>> 0;
    this.#log = (this.#log ^ (this.#log >>> 15)) >>> 0;
  }

  /** A device of no kind: answers from the seed, and now and then asks to be called later. */
  #access(kind: number, at: number, size: number, value: number): number {
    this.#accesses++;
    this.#note(kind, at, size, value, this.vcpu.instructions, this.vm.clock.now());
    const answer = Math.imul(this.#accesses * 0x85ebca6b + at, 0xc2b2ae35) >>> 0;
    if ((answer & 15) === 0) this.#deadline.arm(this.vm.clock.now() + (answer >>> 20));
    return size === 4 ? answer : answer & (size === 1 ? 0xff : 0xffff);
  }

  /** Runs the guest that was loaded for at most `limit` instructions. Throws Broken when the engine misbehaves. */
  run(limit: number, road: Road): Ending {
    const { vm, vcpu } = this;
    const roll = (): void => {
      vm.slice = road.slice === 0 ? 1 + this.#random.below(this.#random.oneIn(2) ? 60 : 400) : road.slice;
      if (road.drop && this.#random.oneIn(8)) vm.core.dropAllCode();
    };
    vm.onSlice = () => {
      roll();
      return false;
    };
    roll();
    if (road.save === true) {
      for (const part of [3, 2]) {
        if (this.#toTheEnd(1 + Math.floor(limit / part)) !== 'limit') break;
        // `structuredClone`: nothing of the state may be shared with the VM.
        vm.restoreState(structuredClone(vm.saveState()));
      }
    }
    const why = this.#toTheEnd(limit);
    this.#check();
    return {
      why,
      instructions: vcpu.instructions,
      clock: vm.clock.now(),
      accesses: this.#log,
      exitHash: vcpu.state.get('EXIT_HASH'),
      rflags: vcpu.getRegs().rflags,
      state: stateFields(vcpu, vm),
      ram: Buffer.concat(SLOTS.map(({ at, bytes }) => this.#bytes.slice(RAM + at, RAM + at + bytes))),
    };
  }

  #toTheEnd(limit: number): string {
    const { vcpu } = this;
    if (this.#ended !== undefined) return this.#ended;
    let still = 0;
    for (let last = -1; ; ) {
      const exit = vcpu.run(limit);
      const now = vcpu.instructions;
      still = now === last ? still + 1 : 0;
      last = now;
      if (still > PATIENCE) throw new Broken(`${exit.reason} over and over without an instruction`);
      switch (exit.reason) {
        case 'io':
        case 'mmio':
          if (![1, 2, 4, 8].includes(exit.size)) throw new Broken(`an access of ${exit.size} bytes`);
          this.#answer(exit, now);
          continue;
        case 'hlt':
          if (++this.#wakeUps > WAKE_UPS) return this.#end('hlt');
          vcpu.raise(EVENT.NMI);
          continue;
        case 'intr':
          if (now < limit) throw new Broken(`'intr' at ${now} of ${limit} instructions`);
          if (now > limit) throw new Broken(`${now} instructions instead of ${limit}`);
          return 'limit';
        case 'shutdown':
          return this.#end('shutdown');
        case 'internal-error':
          if (
            exit.detail.startsWith('the engine failed') ||
            exit.detail.startsWith('internal error') ||
            exit.detail.startsWith('the core')
          ) {
            throw new Broken(exit.detail);
          }
          return this.#end(exit.detail);
        default:
          throw new Broken(`left run() with ${exit.reason}`);
      }
    }
  }

  /** An access that left run(). */
  #answer(exit: RunExit, now: number): void {
    const place = exit.reason === 'io' ? exit.port : exit.gpa;
    if (exit.write) {
      this.#note(5, place, exit.size, exit.data, exit.size === 8 ? exit.dataHigh : 0, now);
      return;
    }
    exit.data = this.#access(6, place, exit.size === 8 ? 4 : exit.size, 0);
    exit.dataHigh = exit.size === 8 ? ~exit.data >>> 0 : 0;
  }

  #end(why: string): string {
    this.#ended = why;
    return why;
  }

  /** Everything that is not the guest's is as it was. */
  #check(): void {
    const bytes = this.#bytes;
    for (const { name, from, to } of this.#watched) {
      if (Buffer.compare(bytes.subarray(from, to), poisoned(this.#poison, to - from)) === 0) continue;
      const at = from + bytes.subarray(from, to).findIndex((byte) => byte !== this.#poison);
      throw new Broken(`${name} was written at ${at.toString(16)}`);
    }
    const { CORE_DATA, VM_BASE } = MEMORY_MAP;
    if (Buffer.compare(bytes.subarray(CORE_DATA, CORE_DATA + this.#kept.length), this.#kept) === 0) return;
    const at = CORE_DATA + this.#kept.findIndex((byte, i) => bytes[CORE_DATA + i] !== byte);
    throw new Broken(`${at < VM_BASE ? "the core's constants were" : "the VM's area was"} written at ${at.toString(16)}`);
  }

  /** Runs a seed by one road. */
  go(seed: number, mode: Mode, style: Style, limit: number, road: Road): Ending {
    this.load(seed, mode, style, road);
    return this.run(limit, road);
  }
}

/** What differs between two endings, or undefined. */
export function difference(a: Ending, b: Ending): string | undefined {
  const out: string[] = [];
  const of = (name: string, x: unknown, y: unknown): void => {
    if (x !== y) out.push(`${name} ${x} / ${y}`);
  };
  of('end', a.why, b.why);
  of('instructions', a.instructions, b.instructions);
  of('clock', a.clock, b.clock);
  of('device accesses', a.accesses, b.accesses);
  of('exit hash', a.exitHash, b.exitHash);
  of('rflags', a.rflags.toString(16), b.rflags.toString(16));
  for (const f of SEEN) {
    for (let i = 0; i < f.count; i++) {
      const at = f.offset + i * f.stride;
      const x = a.state.subarray(at, at + WIDTH[f.type]);
      const y = b.state.subarray(at, at + WIDTH[f.type]);
      if (Buffer.compare(x, y) !== 0)
        of(`${f.name}[${i}]`, Buffer.from(x).reverse().toString('hex'), Buffer.from(y).reverse().toString('hex'));
    }
  }
  if (Buffer.compare(a.ram, b.ram) !== 0) {
    const at = a.ram.findIndex((byte, i) => byte !== b.ram[i]);
    out.push(
      `RAM from ${at.toString(16)}: ${Buffer.from(a.ram.subarray(at, at + 8)).toString('hex')} / ${Buffer.from(b.ram.subarray(at, at + 8)).toString('hex')}`,
    );
  }
  return out.length === 0 ? undefined : out.slice(0, 12).join('; ');
}
