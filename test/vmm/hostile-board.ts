/**
 * Hostile guests (hostile-guest.ts) on the whole board: the interrupt controllers, timers and all the devices answer them, and time goes on.
 *
 * @module
 */
import { Machine } from '../../vmm/machine.ts';
import type { SavedVm } from '../../vmm/vm.ts';
import { deathReport } from '../../vmm/death-report.ts';
import { MEMORY_MAP } from '../../vmm/cpu/layout.ts';
import { Broken, type Ending, type Road, type Stand, stateFields } from './hostile-bench.ts';
import { compose, type Mode, Random, type Style } from './hostile-guest.ts';
import { multiboot } from './guests.ts';

const RAM_BYTES = 0x200000;
const RAM = MEMORY_MAP.RAM_BASE;

/** A machine, used for guest after guest. */
export class Board implements Stand {
  readonly #machine: Machine;
  readonly #fresh: SavedVm;
  readonly #console: number[] = [];
  #slice = 1;
  /** Text of the last death report. */
  death: Promise<string> | undefined;

  constructor() {
    // What a guest's reset brings back: a loop without end.
    const kernel = multiboot([0xeb, 0xfe]);
    this.#machine = Machine.createSync({
      memory: RAM_BYTES,
      debugExit: 0xf4,
      load: () => ({ kernel, kernelName: 'loop' }),
      output: (byte) => this.#console.push(byte),
    });
    const boot = this.#machine.boot();
    if (!boot.ok) throw new Error(boot.reason);
    this.#fresh = this.#machine.vm.saveState();
    // The board chooses its slices by the limits it is given; here the road does.
    Object.defineProperty(this.#machine.vm, 'slice', { get: () => this.#slice, set: () => {} });
  }

  get machine(): Machine {
    return this.#machine;
  }

  #load(seed: number, mode: Mode, style: Style): void {
    const { vm, vcpu } = this.#machine;
    vm.restoreState(this.#fresh);
    this.#console.length = 0;
    const start = compose(seed, mode, style, {
      // The board's first 256 KiB behind 1 MiB are RAM as any; above 4 GiB there is none.
      set: (gpa, bytes) => vm.ram.bytes.set(bytes, RAM + gpa),
    });
    vcpu.setSregs(start.sregs);
    vcpu.setRegs(start.regs);
  }

  go(seed: number, mode: Mode, style: Style, limit: number, road: Road): Ending {
    const machine = this.#machine;
    const { vm, vcpu } = machine;
    this.#load(seed, mode, style);
    const random = new Random(seed ^ 0x2545f491);
    const roll = (): void => {
      this.#slice = road.slice === 0 ? 1 + random.below(random.oneIn(2) ? 60 : 400) : road.slice;
      if (road.drop && random.oneIn(8)) vm.core.dropAllCode();
    };
    roll();
    const outside = {
      attached: false,
      look: () => {
        roll();
        return false;
      },
      idle: (until: number) => until,
    };
    const begin = vcpu.instructions;
    const limits = { insns: begin + limit, timeNs: vm.clock.now() + 1e9 };
    if (road.save === true) {
      for (const part of [3, 2]) {
        const outcome = machine.run({ ...limits, insns: begin + Math.floor(limit / part) }, outside);
        if (outcome.kind === 'limit' && outcome.which === 'insns') vm.restoreState(structuredClone(vm.saveState()));
        else return this.#ending(outcome, begin);
      }
    }
    return this.#ending(machine.run(limits, outside), begin);
  }

  #ending(outcome: ReturnType<Machine['run']>, begin: number): Ending {
    const { vm, vcpu } = this.#machine;
    const why = JSON.stringify(outcome);
    if (/engine failed|the core|internal error|does not answer/.test(why)) throw new Broken(why);
    if (outcome.kind === 'died') this.death = deathReport(vm, vcpu, outcome.why);
    const devices = JSON.stringify(vm.saveState().devices, (_key, value) =>
      ArrayBuffer.isView(value) ? [...(value as Uint8Array)] : value,
    );
    return {
      why: `${why} ${String.fromCharCode(...this.#console.slice(0, 1000))} ${devices}`,
      instructions: vcpu.instructions - begin,
      clock: vm.clock.now(),
      accesses: this.#console.length,
      exitHash: vcpu.state.get('EXIT_HASH'),
      rflags: vcpu.getRegs().rflags,
      state: stateFields(vcpu, vm),
      ram: vm.ram.bytes.slice(RAM, RAM + RAM_BYTES),
    };
  }
}
