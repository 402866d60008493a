/**
 * Several vCPUs on one thread: they take turns.
 *
 * In the order of their numbers, each for a turn of retired instructions, or until it halts or spins (64 PAUSEs close to one another). Turns are a little
 * shorter than `QUANTUM`, by another number in each round: a loop that takes a lock and gives it back would otherwise be cut at the same place again and
 * again, always with the lock taken. The VM's clock is the sum of all their instructions, so
 * nothing depends on the host: the same guest takes the same turns in every run. An instruction is never divided, so each one with LOCK, and each
 * one without, is atomic; a store is seen by the others at once, which is stronger than the SDM asks for (vol. 3, 9.2) and never weaker.
 *
 * A halted vCPU has no turn until it has something to wake for; when all are halted, idle time passes. An application processor waits for INIT and a start-up IPI
 * (SDM vol. 3, 9.4).
 *
 * @module
 */
import type { DeviceState, Saveable } from './bus.ts';
import type { RunExit, Vcpu } from './cpu/vcpu.ts';
import { savedInt } from '../devices/saved.ts';
import type { Vm } from './vm.ts';

/** Instructions of a turn: 20 us of the VM's clock, less than any guest waits for another processor. */
export const QUANTUM = 20_000;
/** Rounds after which the lengths repeat, and how far apart those of two rounds are: both prime, so that each length comes once. */
const ROUNDS = 997;
const STRIDE = 619;

/** Instructions of a turn of this round. */
function turnOf(round: number): number {
  return QUANTUM - ((round * STRIDE) % ROUNDS);
}

export class Turns implements Saveable {
  readonly #vm: Vm;
  #turn = 0;
  #round = 0;
  #left = QUANTUM;
  /** Instructions that the vCPU whose turn it is had retired when it began to run; undefined between two runs. */
  #began: number | undefined;

  /** After all vCPUs were made. */
  constructor(vm: Vm) {
    this.#vm = vm;
    vm.takesTurns = vm.vcpus.length > 1;
    vm.addSaveable('turns', this);
  }

  /** The vCPU whose turn it is. */
  get vcpu(): Vcpu {
    return this.#vm.vcpus[this.#turn] as Vcpu;
  }

  /** Retired instructions of all. */
  get instructions(): number {
    return this.#vm.instructions;
  }

  /** Runs the guest until one vCPU has an exit, a turn is over, or all have retired `limit` instructions: the last two are 'intr'. */
  run(limit = Number.POSITIVE_INFINITY): RunExit {
    const vm = this.#vm;
    if (vm.vcpus.length === 1) return this.vcpu.run(limit);
    const rest = limit - this.instructions;
    const vcpu = this.#next();
    if (vcpu === undefined) return this.vcpu.halted(vm.waitForAny() || vm.stopping);
    this.#began = vcpu.instructions;
    const exit = vcpu.run(this.#began + Math.min(this.#left, rest));
    this.#left -= vcpu.instructions - this.#began;
    this.#began = undefined;
    const yields = vcpu.takeYield();
    if (exit.reason === 'hlt') {
      this.#pass();
      exit.reason = 'intr';
    } else if (yields || this.#left <= 0) this.#pass();
    return exit;
  }

  /** The next vCPU that can go on, from the one whose turn it is. */
  #next(): Vcpu | undefined {
    const { vcpus } = this.#vm;
    for (let i = 0; i < vcpus.length; i++) {
      if (this.vcpu.ready) return this.vcpu;
      this.#pass();
    }
    return undefined;
  }

  #pass(): void {
    this.#turn = (this.#turn + 1) % this.#vm.vcpus.length;
    if (this.#turn === 0) this.#round = (this.#round + 1) % ROUNDS;
    this.#left = turnOf(this.#round);
  }

  /** A board's reset: the first one begins. */
  reset(): void {
    this.#turn = 0;
    this.#round = 0;
    this.#left = QUANTUM;
    this.#vm.clock.follow(this.vcpu.base);
  }

  /** Also in the middle of a turn: what is left is less what the vCPU has retired of it. A turn that has nothing left is the next one's. */
  save(): DeviceState {
    const left = this.#left - (this.#began === undefined ? 0 : this.vcpu.instructions - this.#began);
    if (left > 0) return { turn: this.#turn, round: this.#round, left };
    const turn = (this.#turn + 1) % this.#vm.vcpus.length;
    const round = turn === 0 ? (this.#round + 1) % ROUNDS : this.#round;
    return { turn, round, left: turnOf(round) };
  }

  restore(state: DeviceState): void {
    const turn = savedInt(state, 'turn', 0, this.#vm.vcpus.length - 1);
    const round = savedInt(state, 'round', 0, ROUNDS - 1);
    this.#left = savedInt(state, 'left', 1, QUANTUM);
    this.#round = round;
    this.#turn = turn;
    this.#vm.clock.rejoin(this.vcpu.base);
  }
}
