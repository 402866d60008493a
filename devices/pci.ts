/**
 * PCI: configuration mechanism #1 (ports CF8h and CFCh), bus 0, type 0 headers, and the host bridge at 0:0.0.
 *
 * Specification: PCI Local Bus Specification 3.0, sections 3.2.2.3.2 (mechanism #1), 6.1 to 6.2 (header, BARs), 6.7 (capabilities), 2.2.6 (INTx);
 * Intel 440FX data sheet, section 3 (device 1237h: PAM and SMRAM registers).
 *
 * CONFIG_ADDRESS answers only to four bytes at CF8h; other accesses to CF8h-CFBh belong to whoever else lives there (CF9h is the reset
 * register). CONFIG_DATA takes any size within its double word. What is absent reads as ones and swallows writes, which is how software
 * finds out (6.1).
 *
 * A function is anything with `configRead` and `configWrite`. `PciHeader` is the base for real ones: 256 bytes, a mask of the writable bits
 * and one of the bits that a written 1 clears, BARs that size themselves (all ones written, size read back) and report where they decode, a capability list.
 * INTx pins of all functions are joined onto the board's lines by `intx`: (slot + pin) modulo the number of lines, which the DSDT's _PRT repeats.
 *
 * Left out: bridges and other buses (they read as absent), extended configuration space, expansion ROMs, parity and error reporting.
 *
 * @module
 */
import type { AccessSize, DeviceState, IrqLine, PortBus, PortDevice, Saveable } from '../vmm/bus.ts';
import { StateError } from '../vmm/bus.ts';
import { savedInt, savedInts, savedParts } from './saved.ts';

export const CONFIG_ADDRESS = 0xcf8;
export const CONFIG_DATA = 0xcfc;

const ENABLE = 0x8000_0000;
const ADDRESS_BITS = 0x80ff_fffc;
const SLOTS = 32;
const FUNCTIONS = 8;

// Configuration header (PCI 3.0, figure 6-1).
export const PCI_COMMAND = 0x04;
export const PCI_STATUS = 0x06;
const REVISION = 0x08;
const CLASS = 0x09;
const HEADER_TYPE = 0x0e;
const BAR0 = 0x10;
const SUBSYSTEM_VENDOR = 0x2c;
const SUBSYSTEM = 0x2e;
const CAPABILITIES = 0x34;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;
const CONFIG_BYTES = 256;
const FIRST_CAPABILITY = 0x40;

export const COMMAND_IO = 0x0001;
export const COMMAND_MEMORY = 0x0002;
export const COMMAND_MASTER = 0x0004;
export const COMMAND_INTX_OFF = 0x0400;
export const STATUS_INTERRUPT = 0x0008;
const STATUS_CAPABILITIES = 0x0010;
const MULTIFUNCTION = 0x80;

/** One function's configuration space; `register` is its byte offset (0 to 255) and an access never leaves its double word. */
export interface PciFunction extends Saveable {
  configRead(register: number, size: number): number;
  configWrite(register: number, size: number, value: number): void;
  reset(): void;
}

export interface PciOptions {
  /** The board's lines for INTx, level-triggered; 1 to 8 of them. None: no function may use INTx. */
  readonly lines?: readonly IrqLine[];
}

/** Bus 0 and the ports that reach its configuration spaces. */
export class Pci implements PortDevice, Saveable {
  private readonly functions: (PciFunction | undefined)[] = new Array(SLOTS * FUNCTIONS).fill(undefined);
  private readonly lines: readonly IrqLine[];
  /** For each line, one bit per slot and pin: the sources that pull it. */
  private readonly pulls: Uint8Array[];
  private address = 0;

  constructor(options: PciOptions = {}) {
    this.lines = options.lines ?? [];
    if (this.lines.length > 8) throw new RangeError('lines must be at most 8');
    this.pulls = this.lines.map(() => new Uint8Array(SLOTS));
  }

  /** CF9h is left to the reset register. */
  attach(ports: PortBus): void {
    ports.addPorts(CONFIG_ADDRESS, 1, this, 'pci');
    ports.addPorts(CONFIG_ADDRESS + 2, 2, this, 'pci');
    ports.addPorts(CONFIG_DATA, 4, this, 'pci');
  }

  /** Puts a function in its place; throws `RangeError` when the place is taken or does not exist. */
  add(slot: number, fn: number, device: PciFunction): void {
    const at = slot * FUNCTIONS + fn;
    if (!(slot >= 0 && slot < SLOTS && fn >= 0 && fn < FUNCTIONS)) throw new RangeError(`PCI 0:${slot}.${fn} does not exist`);
    if (this.functions[at] !== undefined) throw new RangeError(`PCI 0:${slot}.${fn} is taken`);
    this.functions[at] = device;
    const first = this.functions[slot * FUNCTIONS];
    const several = this.functions.slice(slot * FUNCTIONS + 1, (slot + 1) * FUNCTIONS).some((f) => f !== undefined);
    if (several && first instanceof PciHeader) first.multifunction();
  }

  /** The line that a function of `slot` pulls by `pin` (0 is INTA#): shared, high while any source is. */
  intx(slot: number, pin: number): IrqLine {
    if (this.lines.length === 0) throw new RangeError('this PCI bus has no interrupt lines');
    const which = (slot + pin) % this.lines.length;
    const line = this.lines[which];
    const pulls = this.pulls[which];
    const bit = 1 << pin;
    return {
      set: (level) => {
        pulls[slot] = level ? pulls[slot] | bit : pulls[slot] & ~bit;
        line.set(pulls.some((p) => p !== 0));
      },
    };
  }

  portRead(port: number, size: AccessSize): number {
    if (port === CONFIG_ADDRESS && size === 4) return this.address;
    if (port < CONFIG_DATA) return ones(size);
    const lane = port - CONFIG_DATA;
    const within = Math.min(size, 4 - lane);
    const target = this.target();
    if (target === undefined) return ones(size);
    const value = target.configRead((this.address & 0xfc) | lane, within) >>> 0;
    // Bytes beyond the double word are another cycle's, which nobody answers.
    return within === size ? value : (value | (ones(size) - ones(within))) >>> 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    if (port === CONFIG_ADDRESS && size === 4) {
      this.address = (value & ADDRESS_BITS) >>> 0;
      return;
    }
    if (port < CONFIG_DATA) return;
    const lane = port - CONFIG_DATA;
    const within = Math.min(size, 4 - lane);
    this.target()?.configWrite((this.address & 0xfc) | lane, within, (value & ones(within)) >>> 0);
  }

  reset(): void {
    this.address = 0;
    for (const pulls of this.pulls) pulls.fill(0);
    for (const line of this.lines) line.set(false);
    for (const device of this.functions) device?.reset();
  }

  /** The address register, the joined lines and every function in its place. */
  save(): DeviceState {
    const functions: Record<string, DeviceState> = {};
    this.functions.forEach((device, at) => {
      if (device !== undefined) functions[place(at)] = device.save();
    });
    return { address: this.address, pulls: this.pulls.map((p) => Array.from(p)), functions };
  }

  restore(state: DeviceState): void {
    const address = savedInt(state, 'address', 0, 0xffff_ffff);
    const rows = savedParts(state, 'pulls', this.pulls.length).map((row) => savedInts({ row }, 'row', SLOTS, 0, 0x0f));
    const functions = this.savedFunctions(state);
    functions.forEach((saved, at) => {
      if (saved !== undefined) this.functions[at]?.restore(saved);
    });
    this.address = (address & ADDRESS_BITS) >>> 0;
    this.pulls.forEach((row, i) => {
      row.set(rows[i]);
      this.lines[i].set(row.some((p) => p !== 0));
    });
  }

  /** The saved state of each place; it must be of the same functions in the same places. */
  private savedFunctions(state: DeviceState): (DeviceState | undefined)[] {
    const saved = state['functions'];
    if (typeof saved !== 'object' || saved === null || Array.isArray(saved)) throw new StateError('functions: parts expected');
    const places = this.functions.flatMap((device, at) => (device === undefined ? [] : [place(at)]));
    const found = Object.keys(saved);
    if (found.length !== places.length || !places.every((at) => found.includes(at))) {
      throw new StateError(`functions: ${places.join(' ')} expected, ${found.join(' ')} found`);
    }
    return this.functions.map((device, at) =>
      device === undefined ? undefined : savedParts({ part: [(saved as DeviceState)[place(at)]] }, 'part', 1)[0],
    );
  }

  /**
   * What firmware does for a kernel that is booted without one: gives every BAR an address in `memory` or `io`, in the order of the slots, and turns decoding
   * and bus mastering on.
   */
  assign(memory: { readonly first: number; readonly last: number }, io: { readonly first: number; readonly last: number }): void {
    let nextMemory = memory.first;
    let nextIo = io.first;
    for (const device of this.functions) {
      if (!(device instanceof PciHeader)) continue;
      device.assign((bytes, kind) => {
        const at = Math.ceil((kind === 'io' ? nextIo : nextMemory) / bytes) * bytes;
        if (at + bytes - 1 > (kind === 'io' ? io.last : memory.last)) throw new RangeError('no room for the BARs');
        if (kind === 'io') nextIo = at + bytes;
        else nextMemory = at + bytes;
        return at;
      });
    }
  }

  /** The function of number `at`: slot * 8 + function. */
  functionAt(at: number): PciFunction | undefined {
    return this.functions[at];
  }

  private target(): PciFunction | undefined {
    const { address } = this;
    // Only bus 0 has anything on it.
    if (address < ENABLE || (address & 0x00ff_0000) !== 0) return undefined;
    return this.functions[(address >>> 8) & 0xff];
  }
}

export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision?: number;
  /** Base class, subclass and programming interface as one number: 0x060000 is a host bridge. */
  readonly classCode: number;
  readonly subsystemVendor?: number;
  readonly subsystem?: number;
  /** 1 to 4 for INTA# to INTD#, 0 for none. */
  readonly interruptPin?: number;
}

export interface PciBar {
  readonly kind: 'io' | 'memory' | 'memory64';
  /** A power of two: 4 to 256 for I/O, at least 16 for memory. */
  readonly bytes: number;
  readonly prefetchable?: boolean;
  /** Told whenever the BAR starts or stops decoding: its address, or undefined while the command register keeps it off. */
  readonly decode?: (address: number | undefined) => void;
}

interface PlacedBar extends PciBar {
  readonly register: number;
  address: number | undefined;
}

/** A type 0 header with its BARs and capabilities: the base of every function. */
export class PciHeader implements PciFunction, Saveable {
  /** Configuration space as it reads now. */
  protected readonly config = new Uint8Array(CONFIG_BYTES);
  /** Bits that a write changes, and bits that a written 1 clears. */
  protected readonly writable = new Uint8Array(CONFIG_BYTES);
  protected readonly clearable = new Uint8Array(CONFIG_BYTES);
  private readonly bars: PlacedBar[] = [];
  private nextCapability = FIRST_CAPABILITY;
  private lastCapability = CAPABILITIES;
  /** What `reset` goes back to: taken at the first access. */
  private initial: Uint8Array | undefined;

  constructor(identity: PciIdentity) {
    this.put16(0x00, identity.vendor);
    this.put16(0x02, identity.device);
    this.config[REVISION] = identity.revision ?? 0;
    this.config[CLASS] = identity.classCode & 0xff;
    this.put16(CLASS + 1, identity.classCode >> 8);
    this.put16(SUBSYSTEM_VENDOR, identity.subsystemVendor ?? 0);
    this.put16(SUBSYSTEM, identity.subsystem ?? 0);
    this.config[INTERRUPT_PIN] = identity.interruptPin ?? 0;
    // Bus master is always offered, INTx disable with a pin, I/O and memory with the first BAR of the kind.
    this.allow16(PCI_COMMAND, COMMAND_MASTER | (identity.interruptPin ? COMMAND_INTX_OFF : 0));
    this.writable[INTERRUPT_LINE] = identity.interruptPin ? 0xff : 0;
  }

  configRead(register: number, size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.config[register + i] << (8 * i);
    return value >>> 0;
  }

  configWrite(register: number, size: number, value: number): void {
    this.initial ??= this.config.slice();
    for (let i = register; i < register + size; i++) {
      const byte = (value >>> (8 * (i - register))) & 0xff;
      const writable = this.writable[i];
      const cleared = byte & this.clearable[i];
      this.config[i] = ((this.config[i] & ~writable) | (byte & writable)) & ~cleared;
    }
    if (register < BAR0 + 24) this.decodeBars();
    this.configWritten(register, size);
  }

  /** A hook for functions with registers that act when written; the bytes are in place already. */
  protected configWritten(_register: number, _size: number): void {}

  get command(): number {
    return this.config[PCI_COMMAND] | (this.config[PCI_COMMAND + 1] << 8);
  }

  /** Gives BAR `index` (0 to 5) its size; a `memory64` BAR takes the next one too. */
  addBar(index: number, bar: PciBar): void {
    const wide = bar.kind === 'memory64';
    const least = bar.kind === 'io' ? 4 : 16;
    const powerOfTwo = 2 ** Math.floor(Math.log2(bar.bytes)) === bar.bytes;
    if (!powerOfTwo || bar.bytes < least || bar.bytes > (wide ? 2 ** 52 : 2 ** 31)) throw new RangeError(`BAR of ${bar.bytes} bytes`);
    if (index < 0 || index + (wide ? 1 : 0) > 5) throw new RangeError(`BAR ${index} does not exist`);
    const register = BAR0 + 4 * index;
    const mask = (0x1_0000_0000 - Math.min(bar.bytes, 0x1_0000_0000)) >>> 0;
    this.allow32(register, mask);
    if (wide) this.allow32(register + 4, (0x1_0000_0000 - Math.max(1, bar.bytes / 0x1_0000_0000)) >>> 0);
    this.config[register] = bar.kind === 'io' ? 0x01 : (wide ? 0x04 : 0x00) | (bar.prefetchable ? 0x08 : 0x00);
    this.allow16(PCI_COMMAND, bar.kind === 'io' ? COMMAND_IO : COMMAND_MEMORY);
    this.bars.push({ ...bar, register, address: undefined });
  }

  /** Writes each BAR where `place` says and turns its decoding on. */
  assign(place: (bytes: number, kind: PciBar['kind']) => number): void {
    if (this.bars.length === 0) return;
    let command = COMMAND_MASTER;
    for (const bar of this.bars) {
      const at = place(bar.bytes, bar.kind);
      this.configWrite(bar.register, 4, at % 0x1_0000_0000);
      if (bar.kind === 'memory64') this.configWrite(bar.register + 4, 4, Math.floor(at / 0x1_0000_0000));
      command |= bar.kind === 'io' ? COMMAND_IO : COMMAND_MEMORY;
    }
    this.configWrite(PCI_COMMAND, 2, command);
  }

  /** Appends a capability: its id, then `bytes` (from offset 2 on) with the bits of `writable`. Returns where it stands. */
  addCapability(id: number, bytes: Uint8Array, writable?: Uint8Array): number {
    const at = this.nextCapability;
    if (at + 2 + bytes.length > CONFIG_BYTES) throw new RangeError('no room for another capability');
    this.config[at] = id;
    this.config.set(bytes, at + 2);
    if (writable !== undefined) this.writable.set(writable, at + 2);
    this.config[this.lastCapability] = at;
    this.lastCapability = at + 1;
    this.nextCapability = (at + 2 + bytes.length + 3) & ~3;
    this.config[PCI_STATUS] = this.config[PCI_STATUS] | STATUS_CAPABILITIES;
    return at;
  }

  /** Marks function 0 of a slot that has others. */
  multifunction(): void {
    this.config[HEADER_TYPE] = this.config[HEADER_TYPE] | MULTIFUNCTION;
  }

  reset(): void {
    if (this.initial === undefined) return;
    this.config.set(this.initial);
    this.decodeBars();
    this.configWritten(0, CONFIG_BYTES);
  }

  save(): DeviceState {
    return { config: Array.from(this.config) };
  }

  /** Throws `StateError` when the state is another function's: a bit differs that no write can change. */
  restore(state: DeviceState): void {
    const saved = savedInts(state, 'config', CONFIG_BYTES, 0, 0xff);
    const fits = saved.every((byte, i) => ((byte ^ this.config[i]) & ~this.changeable(i)) === 0);
    if (!fits) throw new StateError('config: of another PCI function');
    this.initial ??= this.config.slice();
    this.config.set(saved);
    this.decodeBars();
    this.configWritten(0, CONFIG_BYTES);
  }

  /** Bits that may differ over time; functions that set more of their own override it. */
  protected changeable(register: number): number {
    const status = register === PCI_STATUS ? STATUS_INTERRUPT : 0;
    return this.writable[register] | this.clearable[register] | status;
  }

  protected allow16(register: number, bits: number): void {
    this.writable[register] = this.writable[register] | (bits & 0xff);
    this.writable[register + 1] = this.writable[register + 1] | (bits >> 8);
  }

  private allow32(register: number, bits: number): void {
    for (let i = 0; i < 4; i++) this.writable[register + i] = (bits >>> (8 * i)) & 0xff;
  }

  private put16(register: number, value: number): void {
    this.config[register] = value & 0xff;
    this.config[register + 1] = (value >> 8) & 0xff;
  }

  private decodeBars(): void {
    for (const bar of this.bars) {
      const on = this.command & (bar.kind === 'io' ? COMMAND_IO : COMMAND_MEMORY);
      const address = on ? this.barAddress(bar) : undefined;
      if (address === bar.address) continue;
      bar.address = address;
      bar.decode?.(address);
    }
  }

  /** Where a BAR points, or undefined where nothing can be: at address 0, or beyond 52 bits. */
  private barAddress(bar: PlacedBar): number | undefined {
    const low = (this.configRead(bar.register, 4) & (bar.kind === 'io' ? ~3 : ~15)) >>> 0;
    const high = bar.kind === 'memory64' ? this.configRead(bar.register + 4, 4) : 0;
    const address = high * 0x1_0000_0000 + low;
    const end = bar.kind === 'io' ? 0x1_0000 : bar.kind === 'memory' ? 0x1_0000_0000 : 2 ** 52;
    return address === 0 || address + bar.bytes > end ? undefined : address;
  }
}

// 440FX (82441FX PMC): programmable attribute map and SMRAM control.
const PAM0 = 0x59;
const PAM6 = 0x5f;
const SMRAM = 0x72;

export interface HostBridgeOptions {
  /**
   * Told when the guest changes who answers between 640 KB and 1 MB: PAM register 0 to 6 and its value (bits 0/4: reads, bits 1/5: writes
   * go to RAM, for the lower and the upper half).
   */
  readonly pam?: (index: number, value: number) => void;
}

/**
 * The 440FX host bridge: identity, PAM and SMRAM registers. A bridge that every guest knows, and that SeaBIOS unlocks its shadow RAM by; by the subsystem it
 * finds out that there is a fw_cfg device.
 */
export class HostBridge extends PciHeader {
  private readonly pam: ((index: number, value: number) => void) | undefined;

  constructor(options: HostBridgeOptions = {}) {
    super({ vendor: 0x8086, device: 0x1237, revision: 2, classCode: 0x060000, subsystemVendor: 0x1af4, subsystem: 0x1100 });
    this.pam = options.pam;
    this.config[PCI_COMMAND] = COMMAND_MEMORY | COMMAND_MASTER; // both read as ones: the bridge always does
    this.writable[PCI_COMMAND] = 0;
    for (let i = PAM0; i <= PAM6; i++) this.writable[i] = i === PAM0 ? 0x30 : 0x33;
    this.config[SMRAM] = 0x02;
    this.writable[SMRAM] = 0x78;
  }

  protected override configWritten(register: number, size: number): void {
    for (let i = Math.max(register, PAM0); i < Math.min(register + size, PAM6 + 1); i++) this.pam?.(i - PAM0, this.config[i]);
  }
}

/** A function's place as people write it: slot.function. */
function place(at: number): string {
  return `${at >> 3}.${at & 7}`;
}

function ones(size: number): number {
  return 2 ** (8 * size) - 1;
}
