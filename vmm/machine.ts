/**
 * The board: a PC of fixed parts around one vCPU, and the guest that it boots.
 *
 * | what | where | line |
 * |---|---|---|
 * | local APIC, IOAPIC | FEE00000h, FEC00000h | |
 * | 8259s, ELCR | 20h, A0h, 4D0h | |
 * | 8254, port 61h | 40h-43h, 61h | 0 (IOAPIC input 2) |
 * | i8042, port 92h | 60h, 64h, 92h | 1, 12 |
 * | VGA, when there is one | 3B4h-3DAh, A0000h-BFFFFh | |
 * | COM1 | 3F8h | 4 |
 * | RTC and CMOS | 70h | 8 |
 * | ACPI PM1a, PM timer, GPE0 | 600h-60Fh | 9 (SCI) |
 * | x87 error | F0h | 13 |
 * | 8237s and pages, POST code | 0-Fh, 81h-8Fh, C0h-DFh, 80h | |
 * | PCI with a host bridge | CF8h, CFCh | 16-23 |
 * | PIIX3 with IDE drives, if there are any, and with firmware | 1F0h, 3F6h, 170h, 376h | 14, 15 |
 * | reset control | CF9h | |
 * | debug exit | where `debugExit` says | |
 *
 * Low RAM ends at 3 GiB; A0000h-BFFFFh is the VGA window, with no card behind it unless asked for. There is no firmware: the loader writes the guest into RAM
 * and the vCPU starts at its entry, with ACPI tables in E0000h-FFFFFh and an E820 map, and the interrupt controllers as a BIOS leaves
 * them. A port or address that nothing claims floats. A reset of any kind loads the guest again: memory keeps what it held.
 *
 * A guest ends by powering off, by the debug-exit port, at a limit, or by dying: `run` says which and never throws for a guest's doing.
 *
 * @module
 */
import { buildAcpi, PCI_WINDOW } from '../devices/acpi/tables.ts';
import { FWCFG_CPUS, FWCFG_MAX_CPUS, FWCFG_RAM_SIZE, FwCfg } from '../devices/fwcfg.ts';
import { Dma } from '../devices/dma.ts';
import { I8042 } from '../devices/i8042.ts';
import { HostBridge, type Pci } from '../devices/pci.ts';
import { Pit, PIT_PORT, SYSTEM_CONTROL_PORT } from '../devices/pit.ts';
import { PowerManagement, SLP_TYP_S5 } from '../devices/pm.ts';
import { Port92 } from '../devices/port92.ts';
import { Post } from '../devices/post.ts';
import { ResetControl } from '../devices/reset.ts';
import { Rtc } from '../devices/rtc.ts';
import { COM1_PORT, Serial } from '../devices/serial.ts';
import type { VirtioConsole, WindowSize } from '../devices/virtio/console.ts';
import { LINES, TestDevice } from '../devices/testdev.ts';
import type { Vga } from '../devices/vga.ts';
import { WINDOW as VGA_WINDOW } from '../devices/vga-state.ts';
import { bootMemory, Scratch } from './boot-memory.ts';
import { BIOS_STUB_AT, biosStub, VECTORS } from './boot/bios.ts';
import { type BootKind, type BootResult, checkFirmware, e820, type E820Entry, loadGuest, lowAlias } from './boot/index.ts';
import type { Deadline, PortDevice, Saveable } from './bus.ts';
import { type CpuModel, defaultCpuid, modelFeatures } from './cpu/cpuid.ts';
import { SLICE, type Vcpu } from './cpu/vcpu.ts';
import { enter, memoryTypes } from './enter.ts';
import type { ExitCosts } from './exit-cost.ts';
import type { Buttons } from './extension.ts';
import type { Irqchip } from './interrupts.ts';
import { type KeyCodes, KeyboardInput } from './keyboard-input.ts';
import { LOW_RAM_END } from './memory.ts';
import type { Outcome } from './report.ts';
import type { Intercepts } from './intercepts.ts';
import { Turns } from './turns.ts';
import { idePlaces, pciBus } from './ide-slots.ts';
import { late } from './late.ts';
import { acpiOf, ECAM_AT, virtioDevices } from './board-acpi.ts';
import type { VirtioOptions } from './virtio-slots.ts';
import type { VideoOptions } from './video.ts';
import { Vm } from './vm.ts';

// What few boards have.
const lateHpet = late<typeof import('./board-hpet.ts')>(new URL('./board-hpet.ts', import.meta.url));
const lateEcam = late<typeof import('../devices/ecam.ts')>(new URL('../devices/ecam.ts', import.meta.url));
const lateVideo = late<typeof import('./video.ts')>(new URL('./video.ts', import.meta.url));
const lateIde = late<typeof import('./ide-drives.ts')>(new URL('./ide-drives.ts', import.meta.url));
const lateVirtio = late<typeof import('./virtio-slots.ts')>(new URL('./virtio-slots.ts', import.meta.url));
const lateConsole = late<typeof import('../devices/virtio/console.ts')>(new URL('../devices/virtio/console.ts', import.meta.url));
const lateDebugExit = late<typeof import('../devices/debug-exit.ts')>(new URL('../devices/debug-exit.ts', import.meta.url));
const lateFirmwareFiles = late<typeof import('./boot/firmware-files.ts')>(new URL('./boot/firmware-files.ts', import.meta.url));
const lateBootOrder = late<typeof import('./boot-order.ts')>(new URL('./boot-order.ts', import.meta.url));

/** The guest's files, read anew at each boot so that they need not stay in memory. */
export interface GuestFiles {
  readonly kernel: Uint8Array;
  readonly kernelName: string;
  readonly initrd?: Uint8Array;
  readonly initrdName?: string;
}

export interface MachineOptions extends VirtioOptions {
  /** Guest RAM: `256M`, or bytes. */
  readonly memory: string | number;
  readonly name?: string;
  /** Of the VM; see `VmOptions`. */
  readonly vmid?: number;
  /** Firmware to start in instead of a kernel. */
  readonly firmware?: Uint8Array;
  /** The kernel and what goes with it; not with firmware. `room(bytes)` gives memory for a file, which goes back to the host once the guest is loaded. */
  readonly load?: (room: (bytes: number) => Uint8Array) => GuestFiles;
  /** The guest's command line. */
  readonly append?: string;
  /** Enter by this protocol instead of the one recognised. */
  readonly kind?: BootKind;
  /** A byte from COM1. */
  readonly output: (byte: number) => void;
  readonly exitCosts?: ExitCosts;
  readonly intercepts?: Intercepts;
  /** The processor; see `VmOptions`. */
  readonly cpu?: CpuModel;
  /** How many of them, 1 to 8; default 1. */
  readonly cpus?: number;
  /** A virtio console, which then is where console input goes. */
  readonly virtioConsole?: { readonly output: (byte: number) => void; readonly size?: WindowSize };
  /** A VGA; none without. */
  readonly video?: VideoOptions;
  /** What firmware tries first; default: disks. */
  readonly bootFrom?: 'disk' | 'cdrom';
  /** PCI's configuration space in memory too. */
  readonly ecam?: boolean;
  /** A high precision event timer. */
  readonly hpet?: boolean;
  /** Port of the debug-exit device; none without. */
  readonly debugExit?: number;
  /** RTC at time 0: seconds since 1970. */
  readonly rtcEpoch?: number;
}

/** Where a run ends, whatever the guest does. */
export interface RunLimits {
  /** Retired instructions. */
  readonly insns?: number;
  /** Nanoseconds of the VM's clock. */
  readonly timeNs?: number;
}

/** What the outside world does to a running machine. All are called between instructions, in the VM's thread. */
export interface Outside {
  /** Something may still come in: a guest that halts without a timer is waiting, not dead. */
  readonly attached: boolean;
  /** At slice ends: true ends the run as interrupted. */
  look(): boolean;
  /** The guest is idle until `until` (Infinity: for ever, when attached). Returns the time up to which idle time passes now; -1 ends the run. */
  idle(until: number): number;
}

const SCI_LINE = 9;
/** SLP_TYP with which firmware's APM turns the machine off: soft off on the PIIX4 that it was written for (PIIX4 data sheet, PMCNTRL). */
const SLP_TYP_APM = 0;
/** Where I/O BARs go. */
const PCI_IO = { first: 0xc000, last: 0xffff };
const PCI_LINES = [16, 17, 18, 19, 20, 21, 22, 23];
/** Port to which software writes to take the x87 error line down (PC/AT technical reference, coprocessor). */
const FERR_RESET_PORT = 0xf0;
/** CMOS byte with how firmware turns cylinders into sectors, two bits a drive, and what says "by LBA" for all four (SeaBIOS, src/block.c's convention). */
const CMOS_DISK_TRANSLATION = 0x39;
const ALL_BY_LBA = 0x55;
/** ELCR bit of the SCI, in the register of lines 8 to 15. */
const ELCR_HIGH = 0x4d1;

type Ending = { readonly kind: 'power-off' } | { readonly kind: 'reset' } | { readonly kind: 'debug-exit'; readonly value: number };

/** A PC. */
export class Machine {
  readonly vm: Vm;
  readonly #turns: Turns;
  readonly serial: Serial;
  /** Where console input goes. */
  readonly #terminal: Serial | VirtioConsole;
  readonly pm: PowerManagement;
  readonly keyboard: I8042;
  readonly #irqchip: Irqchip;
  readonly #options: MachineOptions;
  /** Everything that a reset reaches. */
  readonly #resettable: { reset(): void }[] = [];
  readonly #rsdp: number;
  readonly #pci: Pci;
  readonly #video: Vga | undefined;
  /** Console input that waits for its interrupt exit. */
  readonly #input: Uint8Array[] = [];
  readonly #inputDue: Deadline;
  readonly #keys: KeyboardInput;
  readonly buttons: Buttons;
  #ending: Ending | undefined;

  /** Makes the board. Throws MemorySizeError, CoreError. */
  static async create(options: MachineOptions): Promise<Machine> {
    return new Machine(options, await Vm.create(Machine.#vmOptions(options)));
  }

  static createSync(options: MachineOptions): Machine {
    return new Machine(options, Vm.createSync(Machine.#vmOptions(options)));
  }

  static #vmOptions(options: MachineOptions): Parameters<typeof Vm.create>[0] {
    const { memory, name, vmid, exitCosts, intercepts, cpu, seed, firmware } = options;
    if (firmware !== undefined) checkFirmware(firmware);
    return { memory, name, vmid, exitCosts, intercepts, cpu, seed, rom: firmware, hole: VGA_WINDOW, unclaimed: 'float' };
  }

  private constructor(options: MachineOptions, vm: Vm) {
    this.#options = options;
    this.vm = vm;
    const cpus = options.cpus ?? 1;
    for (let i = 0; i < cpus; i++) vm.createVcpu(i);
    if (cpus > 1) vm.setCpuid(defaultCpuid(0, cpus, modelFeatures(options.cpu ?? 'max')));
    this.#startApplicationProcessors();
    this.#turns = new Turns(vm);
    this.#irqchip = vm.createIrqchip();
    const line = (n: number) => this.#irqchip.line(n);
    const reset = (): void => this.#end({ kind: 'reset' });
    const lowMemory = Math.min(vm.ram.size, LOW_RAM_END);

    const gates = options.hpet === true ? lateHpet().gates(line) : undefined;
    const pit = new Pit({ clock: vm.clock, irq: gates?.timer ?? line(0) });
    vm.ports.addPorts(PIT_PORT, 4, pit, 'pit');
    vm.ports.addPorts(SYSTEM_CONTROL_PORT, 1, pit, 'pit');
    this.#keep('pit', pit);
    this.keyboard = this.#attach('i8042', new I8042({ keyboardIrq: line(1), auxIrq: line(12), a20: () => {}, reset }));
    this.#attach('port92', new Port92({ a20: () => {}, reset }));
    this.serial = this.#attach('serial', new Serial({ irq: line(4), clock: vm.clock, output: options.output }));
    const rtc = new Rtc({
      irq: gates?.rtc ?? line(8),
      clock: vm.clock,
      epochSeconds: options.rtcEpoch,
      lowMemory,
      highMemory: vm.ram.size - lowMemory,
      nmiMask: (masked) => {
        this.#irqchip.nmiMasked = masked;
      },
    });
    rtc.poke(CMOS_DISK_TRANSLATION, ALL_BY_LBA);
    this.#attach('rtc', rtc);
    this.pm = this.#attach('pm', new PowerManagement({ sci: line(SCI_LINE), clock: vm.clock, sleep: (type) => this.#sleep(type) }));
    if (gates !== undefined) this.#keep('hpet', lateHpet().addHpet({ vm, line, ...gates }));
    this.#attach('reset', new ResetControl({ reset }));
    this.#attach('dma', new Dma());
    this.#attach('post', new Post());
    const config = new FwCfg();
    config.addNumber(FWCFG_RAM_SIZE, vm.ram.size, 8);
    config.addNumber(FWCFG_CPUS, cpus, 2);
    config.addNumber(FWCFG_MAX_CPUS, cpus, 2);
    if (options.firmware !== undefined) {
      const highBytes = vm.ram.size - lowMemory;
      for (const [file, bytes] of lateFirmwareFiles().firmwareFiles({ lowBytes: lowMemory, highBytes, acpi: acpiOf(options) }))
        config.addFile(file, bytes);
      const { BOOT_ORDER_FILE, bootOrder } = lateBootOrder();
      config.addFile(BOOT_ORDER_FILE, bootOrder(options.diskOptions ?? (options.disks ?? []).map(() => ({})), options.bootFrom));
    }
    if (options.video?.bios !== undefined) config.addFile(lateVideo().VIDEO_BIOS_FILE, options.video.bios);
    this.#attach('fwcfg', config);
    if (options.video !== undefined) this.#video = this.#attach('vga', lateVideo().addVideo(vm, options.video));
    const test = new TestDevice({ lines: Array.from({ length: LINES }, (_, n) => line(n)) });
    test.attachMemory(vm.mmio);
    this.#attach('testdev', test);
    const hasIde = idePlaces(options.diskOptions ?? []).some((place) => place !== undefined);
    const pci = pciBus(PCI_LINES, line, hasIde || options.firmware !== undefined);
    pci.add(0, 0, new HostBridge());
    if (hasIde) lateIde().addIde(vm, pci, line, options);
    this.#terminal = this.#addVirtio(pci) ?? this.serial;
    this.#attach('pci', pci);
    if (options.ecam === true) {
      const { Ecam, ECAM_BYTES } = lateEcam();
      vm.mmio.addMmio(ECAM_AT, ECAM_BYTES, new Ecam(pci), 'pci');
    }
    this.#pci = pci;
    vm.ports.addPorts(FERR_RESET_PORT, 1, ferrReset(this.#irqchip), 'ferr');
    if (options.debugExit !== undefined) {
      const port = options.debugExit;
      const ports = freePorts(vm, port);
      this.#attach(
        'debug-exit',
        new (lateDebugExit().DebugExit)({ port, ports, exit: (value) => this.#end({ kind: 'debug-exit', value }) }),
      );
    }
    // Firmware makes its own tables.
    this.#rsdp = options.firmware === undefined ? this.#placeAcpi() : 0;
    this.#keys = new KeyboardInput(vm.clock, this.keyboard, options.firmware !== undefined);
    this.#inputDue = vm.clock.deadline('console input', () => this.#deliverInput());
    this.buttons = this.#makeButtons(reset);
  }

  /** The console, if there is one. */
  #addVirtio(pci: Pci): VirtioConsole | undefined {
    const { vm } = this;
    const { virtioConsole } = this.#options;
    if (virtioDevices(this.#options) === 0) return undefined;
    const terminal = virtioConsole === undefined ? undefined : new (lateConsole().VirtioConsole)({ memory: vm.ram, ...virtioConsole });
    lateVirtio().addVirtio(
      vm,
      pci,
      { ...this.#options, terminal },
      {
        line: (gsi) => this.#irqchip.line(gsi),
        keep: (name, device) => void this.#keep(name, device),
      },
    );
    return terminal;
  }

  /** They arrive as console input does. */
  #makeButtons(reset: () => void): Buttons {
    const { clock } = this.vm;
    const powerDue = clock.deadline('power button', () => this.pm.powerButton());
    const resetDue = clock.deadline('reset button', reset);
    return {
      power: () => {
        powerDue.arm(clock.now());
        return this.pm.listensToButton;
      },
      reset: () => {
        resetDue.arm(clock.now());
        return true;
      },
    };
  }

  #keep<D extends Saveable & { reset?(): void }>(name: string, device: D): D {
    this.vm.addSaveable(name, device);
    if (device.reset !== undefined) this.#resettable.push(device as { reset(): void });
    return device;
  }

  #attach<D extends Saveable & { reset?(): void; attach(ports: Vm['ports']): void }>(name: string, device: D): D {
    device.attach(this.vm.ports);
    return this.#keep(name, device);
  }

  /** The vCPU whose turn it is; the only one of most machines. */
  get vcpu(): Vcpu {
    return this.#turns.vcpu;
  }

  get #bootProcessor(): Vcpu {
    return this.vm.vcpus[0] as Vcpu;
  }

  #startApplicationProcessors(): void {
    for (const vcpu of this.vm.vcpus.slice(1)) vcpu.waitForStartup();
  }

  #placeAcpi(): number {
    const tables = buildAcpi(acpiOf(this.#options));
    for (const { gpa, bytes } of tables.blocks) this.vm.ram.write(gpa, bytes);
    return tables.rsdpAddress;
  }

  #end(ending: Ending): void {
    this.#ending ??= ending;
    this.vm.stop();
  }

  #sleep(type: number): void {
    if (type === SLP_TYP_S5 || (type === SLP_TYP_APM && this.#options.firmware !== undefined)) this.#end({ kind: 'power-off' });
  }

  /** Loads the guest and sets the vCPU to its entry; the reason when it cannot be booted. */
  boot(): { readonly ok: true } | Extract<BootResult, { ok: false }> {
    const { vm } = this;
    const { firmware, load } = this.#options;
    // Eight bits, no parity, one stop bit: what a PC's power-on test leaves. SeaBIOS does not, and few small kernels program the line.
    this.serial.portWrite(COM1_PORT + 3, 1, 0x03);
    if (firmware !== undefined) {
      const { gpa, bytes } = lowAlias(firmware);
      vm.ram.write(gpa, bytes);
      return { ok: true };
    }
    if (load === undefined) throw new TypeError('a machine needs firmware or a kernel');
    const lowBytes = Math.min(vm.ram.size, LOW_RAM_END);
    const map = e820(lowBytes, vm.ram.size - lowBytes);
    this.#firmwareData(map);
    this.#pci.assign(PCI_WINDOW, PCI_IO);
    this.#video?.enterTextMode();
    const scratch = new Scratch();
    const result = loadGuest({
      ...load(scratch.room),
      append: this.#options.append ?? '',
      ram: bootMemory(vm, lowBytes),
      memoryMap: map,
      acpiRsdp: this.#rsdp,
      kind: this.#options.kind,
      textMode: this.#video !== undefined,
    });
    scratch.release();
    if (result.ok) enter(this.#bootProcessor, result.entry);
    return result;
  }

  /** What a BIOS leaves in memory and in the interrupt controllers. */
  #firmwareData(map: readonly E820Entry[]): void {
    // However it was entered, a kernel may go back to real mode and call the BIOS (Xen does).
    this.vm.ram.write(0, VECTORS);
    this.vm.ram.write(BIOS_STUB_AT, biosStub(map));
    for (const lapic of this.#irqchip.lapics) lapic.virtualWire();
    for (const vcpu of this.vm.vcpus) memoryTypes(vcpu);
    this.#irqchip.pic.portWrite(ELCR_HIGH, 1, 1 << (SCI_LINE - 8));
  }

  /** Power-on state of everything but time, memory and counters, then the guest anew. */
  reset(): ReturnType<Machine['boot']> {
    // First the processors: their local APICs say which of them is the bootstrap processor.
    for (const vcpu of this.vm.vcpus) vcpu.reset();
    this.#irqchip.reset();
    for (const device of this.#resettable) device.reset();
    this.#startApplicationProcessors();
    this.#turns.reset();
    if (this.#options.firmware === undefined) this.#placeAcpi();
    return this.boot();
  }

  /** Characters for the console from outside; they arrive now, as an interrupt from outside that the guest exits for. */
  consoleInput(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#input.push(bytes);
    this.#inputDue.arm(this.vm.clock.now());
  }

  /** Keys for the PS/2 keyboard from outside, in their order. */
  keyInput(keys: readonly KeyCodes[]): void {
    this.#keys.push(keys);
  }

  #deliverInput(): void {
    while (this.#input.length > 0) {
      const next = this.#input[0];
      const taken = this.#terminal.input(next);
      if (taken < next.length) {
        // The queue is full: offer the rest when the guest has had time to read some.
        this.#input[0] = next.subarray(taken);
        this.#inputDue.arm(this.vm.clock.now() + INPUT_RETRY_NS);
        return;
      }
      this.#input.shift();
    }
  }

  /** Runs the guest until it ends. May be called again after a limit or an interruption. */
  run(limits: RunLimits = {}, outside?: Outside): Outcome {
    const { vm } = this;
    const turns = this.#turns;
    const insns = limits.insns ?? Number.POSITIVE_INFINITY;
    const timeNs = limits.timeNs ?? Number.POSITIVE_INFINITY;
    let interrupted = false;
    const pace = (): void => {
      vm.slice = Math.max(1, Math.min(SLICE, timeNs - vm.clock.now()));
    };
    vm.onSlice = () => {
      if (outside?.look() === true) interrupted = true;
      pace();
      return interrupted || vm.clock.now() >= timeNs;
    };
    vm.onIdle = (until) => {
      if (vm.clock.now() >= timeNs) return -1;
      if (until === Number.POSITIVE_INFINITY && outside?.attached !== true) return Number.NaN;
      const reached = outside === undefined ? Math.min(until, timeNs) : outside.idle(Math.min(until, timeNs));
      if (reached < 0) interrupted = true;
      return reached;
    };
    pace();
    for (;;) {
      if (vm.clock.now() >= timeNs) return { kind: 'limit', which: 'time' };
      const exit = turns.run(insns);
      switch (exit.reason) {
        case 'intr':
          if (interrupted) return { kind: 'interrupted' };
          if (turns.instructions >= insns) return { kind: 'limit', which: 'insns' };
          continue;
        case 'system-event': {
          const outcome = this.#systemEvent();
          if (outcome !== undefined) return outcome;
          continue;
        }
        case 'hlt':
          return { kind: 'died', why: vm.haltDetail };
        case 'shutdown':
          return { kind: 'died', why: 'triple fault' };
        default:
          return { kind: 'died', why: exit.detail || `an access that the board does not answer (${exit.reason})` };
      }
    }
  }

  #systemEvent(): Outcome | undefined {
    const ending = this.#ending;
    this.#ending = undefined;
    if (ending === undefined) return undefined;
    if (ending.kind !== 'reset') return ending;
    const again = this.reset();
    return again.ok ? undefined : { kind: 'died', why: `reset, and then: ${again.reason}` };
  }
}

/** The debug-exit port cannot be had. */
export class DebugExitError extends Error {
  override readonly name = 'DebugExitError';
}

/** How many ports from `port` on the debug-exit device may have: those that no other device has, at most 4. */
function freePorts(vm: Vm, port: number): number {
  const owner = vm.ports.nameOf(port);
  if (owner !== undefined)
    throw new DebugExitError(`--debug-exit 0x${port.toString(16)}: the port belongs to ${owner}; a free one is 0xf4`);
  let count = 1;
  while (count < 4 && port + count < 0x1_0000 && vm.ports.nameOf(port + count) === undefined) count++;
  return count;
}

const INPUT_RETRY_NS = 1_000_000;

function ferrReset(irqchip: Irqchip): PortDevice {
  return {
    portRead: () => 0xff,
    portWrite: () => irqchip.ferrReset(),
  };
}
