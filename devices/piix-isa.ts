/**
 * The ISA bridge of the PIIX3: the function that firmware looks for, and the router that brings PCI interrupts to the 8259s.
 *
 * Specification: Intel 82371SB (PIIX3) data sheet, 2.2 (PIRQRC[A:D] 60h-63h: bits 3:0 the line, bit 7 off).
 *
 * The board's INTx lines go to the IOAPIC; a guest without one (firmware, DOS, noapic) routes them here to lines that 8259s have. Several may share a line.
 * Left out: the other registers, which keep what is written.
 *
 * @module
 */
import type { DeviceState, IrqLine } from '../vmm/bus.ts';
import { PciHeader } from './pci.ts';
import { savedInt } from './saved.ts';

const ROUTES = 0x60;
const PIRQS = 4;
/** Lines of the board that the four inputs are tied to, by fours: INTA# of slot 1 is PIRQA, as on the boards with this chip. */
export const PIRQ_SOURCES = 8;
const OFF = 0x80;
/** Lines that may be chosen: 3-7, 9-12, 14, 15. */
const CHOICES = 0xdef8;
/** Registers for timing, decoding and the APIC's base. */
const PLAIN = [0x4c, 0x4e, 0x4f, 0x69, 0x6a, 0x70, 0x71, 0x76, 0x77, 0x80, 0x82];

export class PiixIsa extends PciHeader {
  private readonly line: (n: number) => IrqLine;
  /** One bit per source that pulls, and per line that is driven. */
  private pulled = 0;
  private driven = 0;

  /** `line`: the board's lines, by their ISA number. */
  constructor(line: (n: number) => IrqLine) {
    super({ vendor: 0x8086, device: 0x7000, classCode: 0x060100 });
    this.line = line;
    for (const register of PLAIN) this.writable[register] = 0xff;
    for (let i = 0; i < PIRQS; i++) {
      this.config[ROUTES + i] = OFF;
      this.writable[ROUTES + i] = 0x8f;
    }
  }

  /** The wire from PCI interrupt line `source` of the board (0 to 7). */
  input(source: number): IrqLine {
    return {
      set: (level) => {
        this.pulled = level ? this.pulled | (1 << source) : this.pulled & ~(1 << source);
        this.route();
      },
    };
  }

  protected override configWritten(register: number, size: number): void {
    if (register < ROUTES + PIRQS && register + size > ROUTES) this.route();
  }

  private route(): void {
    let wanted = 0;
    for (let i = 0; i < PIRQ_SOURCES; i++) {
      const route = this.config[ROUTES + ((i + PIRQS - 1) % PIRQS)];
      if ((this.pulled >> i) & 1 && (route & OFF) === 0) wanted |= (1 << (route & 0x0f)) & CHOICES;
    }
    const changed = wanted ^ this.driven;
    this.driven = wanted;
    for (let n = 3; n < 16; n++) if ((changed >> n) & 1) this.line(n).set(((wanted >> n) & 1) !== 0);
  }

  override reset(): void {
    this.pulled = 0;
    super.reset();
    this.route();
  }

  override save(): DeviceState {
    return { ...super.save(), pulled: this.pulled };
  }

  override restore(state: DeviceState): void {
    const pulled = savedInt(state, 'pulled', 0, 2 ** PIRQ_SOURCES - 1);
    super.restore(state);
    this.pulled = pulled;
    this.route();
  }
}
