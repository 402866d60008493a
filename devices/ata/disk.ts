/**
 * An ATA hard disk.
 *
 * Specification: ATA/ATAPI-6 (T13/1410D), clause 8: IDENTIFY DEVICE 8.15, READ and WRITE SECTORS, MULTIPLE and DMA with their 48-bit forms, SET FEATURES 8.46,
 * SET MULTIPLE MODE 8.49, FLUSH CACHE 8.12, power management 8.x, INITIALIZE DEVICE PARAMETERS (ATA-5, 8.16). Addresses by LBA of 28 and 48 bits, and by
 * cylinder, head and sector as the host set the geometry.
 *
 * Each command's address and length are checked as a whole before anything moves: what does not lie on the disk is IDNF. A host error is UNC. Writes are
 * durable after FLUSH CACHE, or at once when the host turned the write cache off.
 *
 * Left out: Ultra DMA (the board's PIIX3 has none), SMART, security, host protected area, power-up in standby, CFA.
 *
 * @module
 */
import type { DeviceState } from '../../vmm/bus.ts';
import { StateError } from '../../vmm/bus.ts';
import { SECTOR } from '../disk/image.ts';
import { REQUEST } from '../disk/requests.ts';
import { savedFlag, savedInt } from '../saved.ts';
import { ATA_LATENCY, AtaDrive, type DriveOptions } from './drive.ts';
import * as R from './registers.ts';
import { identifyDisk, geometryOf } from './identify.ts';

const READ = 0x20;
const READ_EXT = 0x24;
const READ_DMA_EXT = 0x25;
const READ_MULTIPLE_EXT = 0x29;
const WRITE = 0x30;
const WRITE_EXT = 0x34;
const WRITE_DMA_EXT = 0x35;
const WRITE_MULTIPLE_EXT = 0x39;
const VERIFY = 0x40;
const VERIFY_EXT = 0x42;
const SEEK = 0x70;
const INITIALIZE_PARAMETERS = 0x91;
const READ_MULTIPLE = 0xc4;
const WRITE_MULTIPLE = 0xc5;
const SET_MULTIPLE = 0xc6;
const READ_DMA = 0xc8;
const WRITE_DMA = 0xca;
const FLUSH = 0xe7;
const FLUSH_EXT = 0xea;

/** Commands that move sectors: how. The odd codes are the forms without retries of old drives. */
const PIO_IN = 1;
const PIO_OUT = 2;
const DMA_IN = 3;
const DMA_OUT = 4;
const CHECK = 5;
const FLUSHING = 6;
const FINISHED = 7;
/** What those that count and trace call them. */
const KINDS: Readonly<Record<number, (typeof REQUEST)['READ' | 'WRITE']>> = {
  [PIO_IN]: REQUEST.READ,
  [DMA_IN]: REQUEST.READ,
  [PIO_OUT]: REQUEST.WRITE,
  [DMA_OUT]: REQUEST.WRITE,
};
interface Move {
  readonly how: number;
  readonly wide: boolean;
  readonly multiple: boolean;
}
const move = (how: number, wide = false, multiple = false): Move => ({ how, wide, multiple });
const MOVES: ReadonlyMap<number, Move> = new Map([
  [READ, move(PIO_IN)],
  [READ + 1, move(PIO_IN)],
  [READ_EXT, move(PIO_IN, true)],
  [READ_MULTIPLE, move(PIO_IN, false, true)],
  [READ_MULTIPLE_EXT, move(PIO_IN, true, true)],
  [WRITE, move(PIO_OUT)],
  [WRITE + 1, move(PIO_OUT)],
  [WRITE_EXT, move(PIO_OUT, true)],
  [WRITE_MULTIPLE, move(PIO_OUT, false, true)],
  [WRITE_MULTIPLE_EXT, move(PIO_OUT, true, true)],
  [READ_DMA, move(DMA_IN)],
  [READ_DMA + 1, move(DMA_IN)],
  [READ_DMA_EXT, move(DMA_IN, true)],
  [WRITE_DMA, move(DMA_OUT)],
  [WRITE_DMA + 1, move(DMA_OUT)],
  [WRITE_DMA_EXT, move(DMA_OUT, true)],
  [VERIFY, move(CHECK)],
  [VERIFY + 1, move(CHECK)],
  [VERIFY_EXT, move(CHECK, true)],
]);

/** Sectors of a DRQ block of READ and WRITE MULTIPLE at most (IDENTIFY word 47). */
export const MULTIPLE_MAX = 16;
const BLOCK_NS = 1000;

// SET FEATURES (table 44).
const CACHE_ON = 0x02;
const CACHE_OFF = 0x82;
const TRANSFER_MODE = 0x03;
const HARMLESS = [0x55, 0xaa, 0x66, 0xcc];

export class AtaDisk extends AtaDrive {
  protected override readonly ready = R.DRDY | R.DSC;
  private readonly serial: string;
  private readonly sectors: number;
  private heads: number;
  private perTrack: number;
  private multiple = MULTIPLE_MAX;
  private cache = true;
  /** Multiword DMA mode that the host chose. */
  private dmaMode = 2;
  /** The sectors that are still to be moved, and how many of them a block has. */
  private sector = 0;
  private left = 0;
  private perBlock = 1;
  /** For a transfer by DMA: bytes already moved of it. */
  private moved = 0;

  constructor(options: DriveOptions) {
    super(options);
    this.serial = options.serial;
    this.sectors = options.image.size / SECTOR;
    ({ heads: this.heads, perTrack: this.perTrack } = geometryOf(this.sectors));
    this.reset();
  }

  protected override sign(): void {
    this.registers[R.COUNT] = 1;
    this.registers[R.LBA_LOW] = 1;
  }

  protected override forget(): void {
    this.step = 0;
    this.left = 0;
    this.moved = 0;
    this.cache = true;
    this.multiple = MULTIPLE_MAX;
    ({ heads: this.heads, perTrack: this.perTrack } = geometryOf(this.sectors));
  }

  protected override execute(command: number): void {
    const how = MOVES.get(command);
    if (how !== undefined) {
      this.start(how);
      return;
    }
    switch (command) {
      case R.CMD_IDENTIFY:
        this.perBlock = 0;
        this.busy(ATA_LATENCY.other, PIO_IN);
        break;
      case R.CMD_SET_FEATURES:
        this.setFeatures();
        break;
      case SET_MULTIPLE:
        this.setMultiple(this.registers[R.COUNT]);
        break;
      case INITIALIZE_PARAMETERS:
        this.setGeometry();
        break;
      case FLUSH:
      case FLUSH_EXT:
        this.begin(REQUEST.OTHER, 0, 0);
        this.busy(ATA_LATENCY.flush, FLUSHING);
        break;
      default:
        if (this.power(command)) break;
        // RECALIBRATE (1xh) and SEEK (7xh) of drives that had arms to move.
        if (command >> 4 === 1 || command >> 4 === SEEK >> 4) this.busy(ATA_LATENCY.other, FINISHED);
        else this.fail(R.ABRT);
    }
  }

  /** Takes address and count from the registers and begins. */
  private start({ how, wide, multiple }: Move): void {
    const count = this.registers[R.COUNT] + (wide ? this.previous[R.COUNT] * 256 : 0);
    const all = count === 0 ? (wide ? 0x1_0000 : 0x100) : count;
    const sector = this.address(wide);
    if (multiple && this.multiple === 0) {
      this.fail(R.ABRT);
      return;
    }
    if ((how === PIO_OUT || how === DMA_OUT) && this.image.readOnly) {
      this.fail(R.ABRT);
      return;
    }
    if (sector < 0 || sector + all > this.sectors) {
      this.fail(R.IDNF);
      return;
    }
    this.sector = sector;
    this.left = all;
    this.perBlock = multiple ? this.multiple : 1;
    this.moved = 0;
    this.begin(KINDS[how] ?? REQUEST.OTHER, sector * SECTOR, all * SECTOR);
    if (how === PIO_OUT) this.ask(this.blockSectors() * SECTOR, false);
    else this.busy((how === DMA_OUT ? ATA_LATENCY.write : ATA_LATENCY.read) + all * SECTOR * ATA_LATENCY.byte, how);
  }

  /** The sector that the registers name; -1 for none. */
  private address(wide: boolean): number {
    const { registers: now, previous: before } = this;
    const low = now[R.LBA_LOW] + now[R.LBA_MID] * 0x100 + now[R.LBA_HIGH] * 0x1_0000;
    if (wide) return low + (before[R.LBA_LOW] + before[R.LBA_MID] * 0x100 + before[R.LBA_HIGH] * 0x1_0000) * 0x100_0000;
    const head = now[R.DEVICE] & 0x0f;
    if (now[R.DEVICE] & R.DEVICE_LBA) return low + head * 0x100_0000;
    const cylinder = now[R.LBA_MID] | (now[R.LBA_HIGH] << 8);
    const inTrack = now[R.LBA_LOW];
    if (inTrack === 0 || inTrack > this.perTrack || head >= this.heads) return -1;
    return (cylinder * this.heads + head) * this.perTrack + inTrack - 1;
  }

  private blockSectors(): number {
    return Math.min(this.perBlock, this.left);
  }

  protected override stepDone(): void {
    switch (this.step) {
      case PIO_IN:
        this.offerBlock();
        break;
      case PIO_OUT:
        this.writeBlock();
        break;
      case DMA_IN:
      case DMA_OUT:
        this.dma(this.left * SECTOR, this.step === DMA_IN);
        break;
      case FLUSHING:
        if (this.attempt(() => this.makeDurable())) this.done();
        break;
      default:
        this.done();
    }
  }

  private offerBlock(): void {
    if (this.perBlock === 0) {
      identifyDisk(this.buffer, { sectors: this.sectors, serial: this.serial, ...this.settings() });
      this.offer(SECTOR);
      return;
    }
    const bytes = this.blockSectors() * SECTOR;
    if (this.attempt(() => this.image.read(this.sector * SECTOR, this.buffer.subarray(0, bytes)))) this.offer(bytes);
  }

  private settings() {
    const { heads, perTrack, multiple, cache, dmaMode } = this;
    return { heads, perTrack, multiple, cache, dmaMode };
  }

  protected override blockRead(): void {
    if (this.perBlock !== 0 && this.advance()) this.busy(BLOCK_NS, PIO_IN);
    else this.done(false);
  }

  protected override blockWritten(): void {
    const last = this.left <= this.perBlock;
    this.busy(last ? ATA_LATENCY.write : BLOCK_NS, PIO_OUT);
  }

  private writeBlock(): void {
    const bytes = this.blockSectors() * SECTOR;
    if (!this.attempt(() => this.image.write(this.sector * SECTOR, this.buffer.subarray(0, bytes)))) return;
    if (this.advance()) this.ask(this.blockSectors() * SECTOR, true);
    else this.finishWrite();
  }

  private finishWrite(): void {
    if (this.cache || this.attempt(() => this.makeDurable())) this.done();
  }

  private makeDurable(): void {
    if (!this.image.readOnly) this.image.flush();
  }

  /** Past the block that was moved; whether there is another. */
  private advance(): boolean {
    const count = this.blockSectors();
    this.sector += count;
    this.left -= count;
    return this.left > 0;
  }

  protected override fetch(into: Uint8Array): void {
    this.image.read(this.sector * SECTOR + this.moved, into);
    this.moved += into.length;
  }

  protected override store(from: Uint8Array): void {
    this.image.write(this.sector * SECTOR + this.moved, from);
    this.moved += from.length;
  }

  protected override dmaDone(): void {
    this.left = 0;
    this.moved = 0;
    if (this.step === DMA_OUT) this.finishWrite();
    else this.done();
  }

  private setFeatures(): void {
    const feature = this.registers[R.FEATURES];
    if (feature === CACHE_ON) this.cache = true;
    else if (feature === CACHE_OFF) {
      this.cache = false;
      if (!this.attempt(() => this.makeDurable())) return;
    } else if (feature === TRANSFER_MODE) {
      if (!this.setMode(this.registers[R.COUNT])) return;
    } else if (!HARMLESS.includes(feature)) {
      this.fail(R.ABRT);
      return;
    }
    this.done();
  }

  /** Transfer modes (table 45): PIO by any number up to 4, multiword DMA 0 to 2. */
  private setMode(mode: number): boolean {
    const number = mode & 7;
    if (mode >> 3 === 4 && number <= 2) this.dmaMode = number;
    else if (mode >> 3 > 1 || number > 4) {
      this.fail(R.ABRT);
      return false;
    }
    return true;
  }

  private setMultiple(count: number): void {
    if (count > MULTIPLE_MAX || (count & (count - 1)) !== 0) {
      this.fail(R.ABRT);
      return;
    }
    this.multiple = count;
    this.done();
  }

  private setGeometry(): void {
    if (this.registers[R.COUNT] === 0) {
      this.fail(R.ABRT);
      return;
    }
    this.perTrack = this.registers[R.COUNT];
    this.heads = (this.registers[R.DEVICE] & 0x0f) + 1;
    this.done();
  }

  override save(): DeviceState {
    const { sector, left, perBlock, moved } = this;
    return { ...super.save(), ...this.settings(), sector, left, perBlock, moved };
  }

  override restore(state: DeviceState): void {
    const sector = savedInt(state, 'sector', 0, this.sectors);
    const left = savedInt(state, 'left', 0, this.sectors - sector);
    const taken = {
      sector,
      left,
      heads: savedInt(state, 'heads', 1, 16),
      perTrack: savedInt(state, 'perTrack', 1, 255),
      multiple: savedInt(state, 'multiple', 0, MULTIPLE_MAX),
      cache: savedFlag(state, 'cache'),
      dmaMode: savedInt(state, 'dmaMode', 0, 2),
      perBlock: savedInt(state, 'perBlock', 0, MULTIPLE_MAX),
      moved: savedInt(state, 'moved', 0, left * SECTOR),
    };
    if (savedInt(state, 'dmaLeft', 0, 2 ** 32) > left * SECTOR - taken.moved && savedInt(state, 'phase', 0, 3) === 3)
      throw new StateError('dmaLeft: more than the transfer');
    super.restore(state);
    Object.assign(this, taken);
  }
}
