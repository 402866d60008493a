/**
 * The HPET of the board: which interrupts it may take, and how the PIT and the RTC lose theirs to it.
 *
 * @module
 */
import { Hpet, HPET_BASE, HPET_BYTES } from '../devices/hpet.ts';
import type { IrqLine } from './bus.ts';
import { SharedLines } from './shared-lines.ts';
import type { Vm } from './vm.ts';

/** ISA interrupts that nothing of the board has. */
const ROUTES = [3, 6] as const;

/** A line of a device that another may take over. */
export class Gate implements IrqLine {
  readonly #line: IrqLine;
  #open = true;
  #level = false;

  constructor(line: IrqLine) {
    this.#line = line;
  }

  set(level: boolean): void {
    this.#level = level;
    if (this.#open) this.#line.set(level);
  }

  set open(open: boolean) {
    if (open === this.#open) return;
    this.#open = open;
    this.#line.set(open && this.#level);
  }
}

/** For the PIT and the RTC. */
export function gates(line: (gsi: number) => IrqLine): { readonly timer: Gate; readonly rtc: Gate } {
  return { timer: new Gate(line(0)), rtc: new Gate(line(8)) };
}

export interface HpetBoard {
  readonly vm: Vm;
  readonly line: (gsi: number) => IrqLine;
  /** Through which the PIT and the RTC interrupt. */
  readonly timer: Gate;
  readonly rtc: Gate;
}

export function addHpet({ vm, line, timer, rtc }: HpetBoard): Hpet {
  const shared = new SharedLines(line);
  const hpet = new Hpet({
    clock: vm.clock,
    // Timers may share one of them.
    routes: new Map(ROUTES.map((gsi) => [gsi, shared.line(gsi)])),
    timer: line(0),
    rtc: line(8),
    legacy: (replaced) => {
      timer.open = !replaced;
      rtc.open = !replaced;
    },
    signalMsi: (address, data) => void vm.signalMsi(address, data),
  });
  vm.mmio.addMmio(HPET_BASE, HPET_BYTES, hpet, 'hpet');
  return hpet;
}
