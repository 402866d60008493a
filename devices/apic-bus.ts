/**
 * What carries interrupt messages between local APICs, IOAPICs and devices that signal by writes (MSI).
 *
 * Models (Intel SDM vol. 3, sections 11.6 "Issuing interprocessor interrupts", 11.11 "Message signalled interrupts", 11.12.9 to .10 for
 * x2APIC): physical and logical destinations (flat, cluster, x2APIC cluster), broadcast, shorthands, lowest-priority arbitration, the
 * MSI address and data formats, and the EOI messages that clear remote IRR in IOAPICs.
 *
 * Every sender uses one format of 32 bits, that of the interrupt command register's low half: vector 7:0, delivery mode 10:8, logical
 * destination 11, assert 14, level-triggered 15, shorthand 19:18. A redirection entry's and an MSI's fields stand in the same places.
 *
 * Lowest priority goes to the destination with the least arbitration priority; among equals to the first one added, so that a run repeats.
 *
 * Left out: interrupt remapping; focus processors (a Pentium 4 has none either); retries (a message that nobody accepts is lost).
 *
 * @module
 */

/** Delivery modes (SDM vol. 3, section 11.6.1). */
export const FIXED = 0;
export const LOWEST_PRIORITY = 1;
export const SMI = 2;
export const NMI = 4;
export const INIT = 5;
export const STARTUP = 6;
export const EXTINT = 7;

/** Fields of a message, where the interrupt command register has them. */
export const MSG_VECTOR = 0xff;
export const MSG_MODE = 0x700;
export const MSG_LOGICAL = 0x800;
export const MSG_ASSERT = 0x4000;
export const MSG_LEVEL = 0x8000;
export const MSG_SHORTHAND = 0xc0000;

const SHORTHAND_SELF = 1;
const SHORTHAND_ALL = 2;

/** Destination that means every local APIC: 8-bit senders, 32-bit senders. */
const BROADCAST = 0xff;
const BROADCAST_WIDE = 0xffff_ffff;

/** MSI address (SDM vol. 3, section 11.11.1): FEEh in 31:20, destination 19:12, redirection hint 3, logical destination 2. */
const MSI_BASE = 0xfee;
const MSI_REDIRECT = 0x08;
const MSI_LOGICAL = 0x04;

/** A local APIC as the bus sees it. */
export interface ApicTarget {
  matchesPhysical(destination: number): boolean;
  matchesLogical(destination: number): boolean;
  /** False while the APIC is disabled by IA32_APIC_BASE: it hears nothing. */
  readonly present: boolean;
  /** True when fixed interrupts are accepted (enabled by the spurious-interrupt vector register). */
  readonly enabled: boolean;
  arbitrationPriority(): number;
  /** Returns whether it was taken. */
  accept(vector: number, trigger: number, mode: number): boolean;
}

/** An IOAPIC as the bus sees it. */
export interface EoiTarget {
  eoi(vector: number): void;
}

/** What to call when something happens, for probes. */
export interface ApicBusTrace {
  msiSetIrq?(address: number, data: number): void;
}

export interface ApicBusOptions {
  readonly trace?: ApicBusTrace;
}

/** The message bus. It keeps no state of its own. */
export class ApicBus {
  readonly #apics: ApicTarget[] = [];
  readonly #ioapics: EoiTarget[] = [];
  readonly #trace: ApicBusTrace | undefined;

  constructor(options: ApicBusOptions = {}) {
    this.#trace = options.trace;
  }

  addLocalApic(apic: ApicTarget): void {
    this.#apics.push(apic);
  }

  addIoapic(ioapic: EoiTarget): void {
    this.#ioapics.push(ioapic);
  }

  /**
   * Delivers a message. `wide` senders (x2APIC) have 32-bit destinations, others 8-bit ones. `source` is the sending local APIC, for
   * shorthands. Returns the number of local APICs that took it.
   */
  deliver(message: number, destination: number, wide = false, source?: ApicTarget): number {
    const mode = (message & MSG_MODE) >> 8;
    const trigger = (message & MSG_LEVEL) !== 0 ? 1 : 0;
    // A level's de-assertion carries nothing: INIT level de-assert only set arbitration ids, which this bus has not (section 11.6.1).
    if (trigger === 1 && (message & MSG_ASSERT) === 0) return 0;
    const vector = message & MSG_VECTOR;
    if (mode === LOWEST_PRIORITY) return this.#deliverLowest(message, destination, wide, source, vector, trigger);
    let taken = 0;
    for (let i = 0; i < this.#apics.length; i++) {
      const apic = this.#apics[i];
      if (this.#matches(apic, message, destination, wide, source) && apic.accept(vector, trigger, mode)) taken++;
    }
    return taken;
  }

  #deliverLowest(
    message: number,
    destination: number,
    wide: boolean,
    source: ApicTarget | undefined,
    vector: number,
    trigger: number,
  ): number {
    let best: ApicTarget | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#apics.length; i++) {
      const apic = this.#apics[i];
      if (!apic.enabled || !this.#matches(apic, message, destination, wide, source)) continue;
      const priority = apic.arbitrationPriority();
      if (priority >= least) continue;
      least = priority;
      best = apic;
    }
    return best?.accept(vector, trigger, LOWEST_PRIORITY) === true ? 1 : 0;
  }

  #matches(apic: ApicTarget, message: number, destination: number, wide: boolean, source: ApicTarget | undefined): boolean {
    if (!apic.present) return false;
    const shorthand = (message & MSG_SHORTHAND) >> 18;
    if (shorthand !== 0) {
      if (shorthand === SHORTHAND_SELF) return apic === source;
      return shorthand === SHORTHAND_ALL || apic !== source;
    }
    if (destination === (wide ? BROADCAST_WIDE : BROADCAST)) return true;
    return (message & MSG_LOGICAL) !== 0 ? apic.matchesLogical(destination) : apic.matchesPhysical(destination);
  }

  /** A write of `data` to `address` (below 4 GiB) as a message signalled interrupt. Returns the number of local APICs that took it. */
  msi(address: number, data: number): number {
    this.#trace?.msiSetIrq?.(address, data);
    if (address >>> 20 !== MSI_BASE) return 0;
    let message = data & (MSG_VECTOR | MSG_MODE | MSG_ASSERT | MSG_LEVEL);
    if ((address & MSI_LOGICAL) !== 0) {
      message |= MSG_LOGICAL;
      // A redirectable message goes to one of the logical destinations, the lowest in priority.
      if ((address & MSI_REDIRECT) !== 0 && (message & MSG_MODE) === FIXED << 8) message |= LOWEST_PRIORITY << 8;
    }
    return this.deliver(message, (address >>> 12) & 0xff);
  }

  /** The EOI message of a level-triggered interrupt. */
  eoi(vector: number): void {
    for (let i = 0; i < this.#ioapics.length; i++) this.#ioapics[i].eoi(vector);
  }
}
