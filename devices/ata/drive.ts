/**
 * What every ATA device does: registers, status, data blocks through the data port, transfers by the bus master, interrupts.
 *
 * Specification: ATA/ATAPI-6 (T13/1410D), clause 7 (registers), 9 (protocols: PIO data-in 9.5, data-out 9.6, DMA 9.7).
 *
 * A command is done in steps. `busy` sets BSY until a time of the VM's clock, then `stepDone` goes on; `offer` and `ask` set DRQ until the host has read or written
 * a block, then `blockRead` or `blockWritten` go on; `dma` sets DRQ until the bus master has moved everything, then `dmaDone`. While BSY or DRQ is set the
 * registers take no writes (7.1), so a step's parameters stay what they were.
 *
 * Left out: overlapped and queued commands, media and security features.
 *
 * @module
 */
import { type Clock, type Deadline, type DeviceState, type DmaMemory, type Saveable, StateError } from '../../vmm/bus.ts';
import { DiskError, type DiskImage, SECTOR } from '../disk/image.ts';
import { type DiskIdentity, type DiskRequest, DiskRequests, restoredRequest, savedRequest, UNNAMED_DISK } from '../disk/requests.ts';
import { savedFlag, savedInt, savedInts, savedParts } from '../saved.ts';
import {
  ABRT,
  BSY,
  CMD_CHECK_POWER_MODE,
  CMD_IDLE,
  CMD_IDLE_IMMEDIATE,
  CMD_SLEEP,
  CMD_STANDBY,
  CMD_STANDBY_IMMEDIATE,
  COMMAND,
  COUNT,
  DEVICE,
  DRDY,
  DRQ,
  DSC,
  ERR,
  FEATURES,
  PASSED,
  UNC,
} from './registers.ts';

/** Nanoseconds of the VM's clock that a command takes: as a virtio disk of this board (see docs), and between two blocks of one command. */
export const ATA_LATENCY = { read: 60_000, write: 20_000, flush: 100_000, other: 10_000, byte: 0.4 } as const;

/** The largest data block: what an ATAPI byte count can ask for, rounded up. */
const BLOCK_MAX = 0x1_0000;

const IDLE = 0;
const DATA_IN = 1;
const DATA_OUT = 2;
const BY_DMA = 3;

/** The bus master of the channel, as a drive sees it. */
export interface Master {
  readonly started: boolean;
  /** Takes up to `limit` bytes of the scatter list: how many, from `gpa` on; 0 at its end. */
  take(limit: number): number;
  readonly gpa: number;
  /** The memory of the list cannot be reached. */
  failed(): void;
}

export interface DriveOptions {
  /** Told of each command that the host could not do. */
  readonly failed?: (reason: string) => void;
  readonly clock: Clock;
  readonly memory: DmaMemory;
  readonly image: DiskImage;
  /** At most 20 characters of ASCII. */
  readonly serial: string;
  /** Who it is to those that count and trace. */
  readonly identity?: DiskIdentity;
}

export abstract class AtaDrive implements Saveable {
  /** INTRQ is asserted. */
  pending = false;
  /** Told when INTRQ may have changed. */
  changed: () => void = () => {};
  master: Master | undefined;
  /** What is counted and traced of its transfers. */
  readonly requests: DiskRequests;
  protected readonly registers = new Uint8Array(8);
  /** What was in each register before the last write: the high halves of 48-bit commands. */
  protected readonly previous = new Uint8Array(8);
  protected readonly buffer = new Uint8Array(BLOCK_MAX);
  protected readonly image: DiskImage;
  protected step = 0;
  private readonly memory: DmaMemory;
  private readonly clock: Clock;
  private readonly deadline: Deadline;
  private readonly told: ((reason: string) => void) | undefined;
  private status = 0;
  private error = 0;
  private phase = IDLE;
  private at = 0;
  private end = 0;
  private dmaLeft = 0;
  private dmaIn = false;
  /** Odd, which no place of a descriptor of a virtio disk is; one transfer at a time. */
  private readonly requestId: number;
  private current: DiskRequest | undefined;

  constructor({ clock, memory, image, identity = UNNAMED_DISK, failed }: DriveOptions) {
    this.told = failed;
    this.requests = new DiskRequests(clock, identity);
    this.requestId = 2 * identity.instance + 1;
    this.clock = clock;
    this.memory = memory;
    this.image = image;
    this.deadline = clock.deadline('ata', () => this.stepDone());
  }

  /** Starts a command; the registers are as the host wrote them. */
  protected abstract execute(command: number): void;
  protected abstract stepDone(): void;
  protected abstract blockRead(): void;
  protected abstract blockWritten(): void;
  protected abstract dmaDone(): void;
  /** The next bytes of the transfer, from the medium into `into` or from `from` to it. May throw DiskError. */
  protected abstract fetch(into: Uint8Array): void;
  protected abstract store(from: Uint8Array): void;
  /** Puts the signature into the registers (9.12). */
  protected abstract sign(): void;
  /** Back to the settings of power-on. */
  protected abstract forget(): void;
  /** Whether DRDY is set after a reset: a packet device waits for its first command. */
  protected abstract readonly ready: number;

  /** A register of the command block but the data port. Reading the status acknowledges the interrupt. */
  read(offset: number, highOrder: boolean): number {
    if (offset === COMMAND) {
      this.acknowledge();
      return this.status;
    }
    if (offset === FEATURES) return this.error;
    return (highOrder && offset !== DEVICE ? this.previous : this.registers)[offset];
  }

  get alternateStatus(): number {
    return this.status;
  }

  write(offset: number, value: number): void {
    if (this.status & (BSY | DRQ)) return;
    this.previous[offset] = this.registers[offset];
    this.registers[offset] = value;
  }

  command(code: number): void {
    if (this.status & (BSY | DRQ)) return;
    this.acknowledge();
    this.error = 0;
    this.execute(code);
  }

  readData(size: number): number {
    if (this.phase !== DATA_IN) return 2 ** (8 * size) - 1;
    let value = 0;
    for (let i = 0; i < size && this.at < this.end; i++) value |= this.buffer[this.at++] << (8 * i);
    if (this.at === this.end) {
      this.pause();
      this.blockRead();
    }
    return value >>> 0;
  }

  writeData(size: number, value: number): void {
    if (this.phase !== DATA_OUT) return;
    for (let i = 0; i < size && this.at < this.end; i++) this.buffer[this.at++] = (value >>> (8 * i)) & 0xff;
    if (this.at < this.end) return;
    this.pause();
    this.blockWritten();
  }

  /** The bus master was started: goes on with a transfer that waits for it. */
  masterStarted(): void {
    if (this.phase === BY_DMA) this.moveByDma();
  }

  /** A reset of any kind (9.2, 9.3): stops whatever goes on. */
  reset(): void {
    this.deadline.cancel();
    this.phase = IDLE;
    this.acknowledge();
    this.status = this.ready;
    this.error = PASSED;
    this.forget();
    this.current = undefined;
    this.requests.forgotten(0);
    this.registers.fill(0);
    this.previous.fill(0);
    this.sign();
  }

  /** The answer to EXECUTE DEVICE DIAGNOSTIC, which reaches both devices; only one of them interrupts. */
  diagnose(interrupts: boolean): void {
    if (this.status & (BSY | DRQ)) return;
    this.reset();
    if (interrupts) this.interrupt();
  }

  /** A command of power management (clause 8), of which a drive that is always active has little to do; false when it is another one. */
  protected power(command: number): boolean {
    switch (command) {
      case CMD_CHECK_POWER_MODE:
        this.registers[COUNT] = 0xff; // active or idle
        break;
      case CMD_STANDBY_IMMEDIATE:
      case CMD_IDLE_IMMEDIATE:
      case CMD_STANDBY:
      case CMD_IDLE:
      case CMD_SLEEP:
        break;
      default:
        return false;
    }
    this.done();
    return true;
  }

  /** A command that keeps the medium busy: it lasts until `done` or `fail`. */
  protected begin(kind: DiskRequest['kind'], offset: number, bytes: number): void {
    this.current = { id: this.requestId, kind, sector: Math.floor(offset / SECTOR), bytes, address: 0, async: false, failed: false };
    this.requests.taken(this.current);
    this.requests.begun();
  }

  private ended(failed: boolean): void {
    const { current } = this;
    if (current === undefined) return;
    this.current = undefined;
    current.failed = failed;
    this.requests.done(current);
  }

  /** BSY for `ns` of the VM's clock, then `stepDone` finds `step`. */
  protected busy(ns: number, step: number): void {
    this.status = BSY;
    this.step = step;
    this.deadline.arm(this.clock.now() + Math.round(ns));
  }

  /** A block of `bytes` in the buffer for the host to read. */
  protected offer(bytes: number): void {
    this.block(DATA_IN, bytes);
    this.interrupt();
  }

  /** Room for a block of `bytes` from the host; the first one of a command is asked for without an interrupt (9.6). */
  protected ask(bytes: number, interrupts: boolean): void {
    this.block(DATA_OUT, bytes);
    if (interrupts) this.interrupt();
  }

  protected dma(bytes: number, toMemory: boolean): void {
    this.phase = BY_DMA;
    this.status = DRDY | DSC | DRQ;
    this.dmaLeft = bytes;
    this.dmaIn = toMemory;
    this.moveByDma();
  }

  /** The command is done; with an interrupt, but for the end of PIO data-in (9.5). */
  protected done(interrupts = true): void {
    this.ended(false);
    this.status = DRDY | DSC;
    if (interrupts) this.interrupt();
  }

  protected fail(error: number): void {
    this.ended(true);
    this.phase = IDLE;
    this.error = error;
    this.status = DRDY | DSC | ERR;
    this.interrupt();
  }

  /** Does work on the medium; a host error is the device's: `failed`, and false. */
  protected attempt(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.told?.(error.message);
      this.mediumFailed();
      return false;
    }
  }

  protected mediumFailed(): void {
    this.fail(UNC);
  }

  private block(phase: number, bytes: number): void {
    this.phase = phase;
    this.status = DRDY | DSC | DRQ;
    this.at = 0;
    this.end = bytes;
  }

  /** Between blocks. */
  private pause(): void {
    this.phase = IDLE;
    this.status = DRDY | DSC;
  }

  private moveByDma(): void {
    const { master } = this;
    while (this.dmaLeft > 0) {
      // A list that is too short: the device waits for another one (SFF-8038i, 2.4).
      const bytes = master?.started === true ? master.take(this.dmaLeft) : 0;
      if (bytes === 0) return;
      if (!this.movePiece((master as Master).gpa, bytes)) return;
      this.dmaLeft -= bytes;
    }
    this.phase = IDLE;
    this.dmaDone();
  }

  private movePiece(gpa: number, bytes: number): boolean {
    const place = this.dmaIn ? this.memory.writable(gpa, bytes) : this.memory.readable(gpa, bytes);
    if (place === undefined) {
      this.master?.failed();
      this.fail(ABRT);
      return false;
    }
    return this.attempt(() => (this.dmaIn ? this.fetch(place) : this.store(place)));
  }

  private interrupt(): void {
    this.pending = true;
    this.changed();
  }

  private acknowledge(): void {
    if (!this.pending) return;
    this.pending = false;
    this.changed();
  }

  save(): DeviceState {
    const { pending, step, status, error, phase, at, end, dmaLeft, dmaIn } = this;
    const due = this.deadline.at === Number.POSITIVE_INFINITY ? -1 : this.deadline.at;
    return {
      registers: Array.from(this.registers),
      previous: Array.from(this.previous),
      block: phase === IDLE && due < 0 ? [] : Array.from(this.buffer.subarray(0, end)),
      due,
      current: this.current === undefined ? [] : [savedRequest(this.current)],
      ...this.requests.save(),
      ...{ pending, step, status, error, phase, at, end, dmaLeft, dmaIn },
    };
  }

  restore(state: DeviceState): void {
    const registers = savedInts(state, 'registers', 8, 0, 0xff);
    const previous = savedInts(state, 'previous', 8, 0, 0xff);
    const end = savedInt(state, 'end', 0, BLOCK_MAX);
    const phase = savedInt(state, 'phase', IDLE, BY_DMA);
    const numbers = {
      phase,
      end,
      at: savedInt(state, 'at', 0, end),
      step: savedInt(state, 'step', 0, 0xff),
      status: savedInt(state, 'status', 0, 0xff),
      error: savedInt(state, 'error', 0, 0xff),
      dmaLeft: savedInt(state, 'dmaLeft', 0, 2 ** 32),
      dmaIn: savedFlag(state, 'dmaIn'),
      pending: savedFlag(state, 'pending'),
    };
    if (phase === DATA_IN && numbers.at === end) throw new StateError('at: nothing left of the block');
    const due = savedInt(state, 'due', -1, Number.MAX_SAFE_INTEGER);
    const block = savedInts(state, 'block', (state['block'] as unknown[])?.length ?? -1, 0, 0xff);
    if (block.length > BLOCK_MAX) throw new StateError('block: too long');
    const current = savedParts(state, 'current', (state['current'] as unknown[])?.length === 1 ? 1 : 0).map(restoredRequest);
    this.requests.restore(state, current.length);
    this.current = current[0];
    this.registers.set(registers);
    this.previous.set(previous);
    this.buffer.set(block);
    Object.assign(this, numbers);
    if (due < 0) this.deadline.cancel();
    else this.deadline.arm(due);
  }
}
