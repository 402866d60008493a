/**
 * An ATAPI CD-ROM drive with a disc of one data track.
 *
 * Specification: ATA/ATAPI-6 (T13/1410D), 8.23 (PACKET), 8.16 (IDENTIFY PACKET DEVICE), 9.8 and 9.9 (packet protocols), 9.12 (signature). What the packets mean
 * is in `mmc.ts`.
 *
 * A packet is answered from a reply of some bytes or from the disc; both go out in blocks of at most the byte count that the host gave, or by the bus master.
 *
 * Left out: audio, writing, changing the disc, overlapped commands.
 *
 * @module
 */
import type { DeviceState } from '../../vmm/bus.ts';
import { REQUEST } from '../disk/requests.ts';
import { savedFlag, savedInt, savedInts } from '../saved.ts';
import { ATA_LATENCY, AtaDrive, type DriveOptions } from './drive.ts';
import { CD_SECTOR, type Disc, NO_SENSE, NOT_ON_DISC, perform, READ_ERROR, type Sense } from './mmc.ts';
import * as R from './registers.ts';
import { identifyCdrom } from './identify-packet.ts';

const PACKET = 0xa0;
const IDENTIFY_PACKET = 0xa1;
const PACKET_BYTES = 12;
const FEATURE_DMA = 0x01;
// Interrupt reason, in the sector count register (9.8).
const COD = 0x01;
const IO = 0x02;

// Steps.
const COMMAND_PACKET = 1;
const SEND = 2;
const SEND_DMA = 3;
const STATUS = 4;
const IDENTIFICATION = 5;
/** What `from` says when the answer is the reply, not the disc. */
const REPLY = -1;
const REPLY_MAX = 512;
const IDENTIFY_BYTES = 512;
const BLOCK_NS = 1000;

export class AtapiCdrom extends AtaDrive {
  protected override readonly ready = 0;
  private readonly serial: string;
  private readonly disc: Disc;
  private sense: Sense = NO_SENSE;
  private reply = new Uint8Array(0);
  /** Where on the disc the next byte is, or REPLY; how many bytes are left; how many of the reply are gone. */
  private from = REPLY;
  private left = 0;
  private gone = 0;
  /** The most bytes of one block. */
  private limit = 0;
  private byDma = false;

  constructor(options: DriveOptions) {
    super(options);
    this.serial = options.serial;
    this.disc = { sectors: Math.floor(options.image.size / CD_SECTOR) };
    this.reset();
  }

  protected override sign(): void {
    this.registers[R.COUNT] = 1;
    this.registers[R.LBA_LOW] = 1;
    this.registers[R.LBA_MID] = 0x14;
    this.registers[R.LBA_HIGH] = 0xeb;
  }

  protected override forget(): void {
    this.step = 0;
    this.left = 0;
    this.sense = NO_SENSE;
  }

  protected override execute(command: number): void {
    switch (command) {
      case PACKET:
        this.byDma = (this.registers[R.FEATURES] & FEATURE_DMA) !== 0;
        this.limit = byteLimit(this.registers[R.LBA_MID] | (this.registers[R.LBA_HIGH] << 8));
        this.registers[R.COUNT] = COD;
        this.step = COMMAND_PACKET;
        this.ask(PACKET_BYTES, false);
        break;
      case IDENTIFY_PACKET:
        this.busy(ATA_LATENCY.other, IDENTIFICATION);
        break;
      case R.CMD_IDENTIFY:
        // The way in which a host learns that this is no disk (9.12).
        this.sign();
        this.fail(R.ABRT);
        break;
      case R.CMD_DEVICE_RESET:
        this.reset();
        break;
      case R.CMD_SET_FEATURES:
        this.setFeatures();
        break;
      default:
        if (!this.power(command)) this.fail(R.ABRT);
    }
  }

  /** Only the transfer mode: PIO up to 4, multiword DMA up to 2. */
  private setFeatures(): void {
    const mode = this.registers[R.COUNT];
    const number = mode & 7;
    const known = mode >> 3 === 4 ? number <= 2 : mode >> 3 <= 1 && number <= 4;
    if (this.registers[R.FEATURES] === 0x03 && known) this.done();
    else this.fail(R.ABRT);
  }

  protected override blockWritten(): void {
    const packet = this.buffer.slice(0, PACKET_BYTES);
    const answer = perform(packet, this.disc, this.sense);
    this.sense = answer.sense;
    if (answer.sense.key !== 0) {
      this.check();
      return;
    }
    this.reply = answer.reply;
    this.from = answer.from;
    this.gone = 0;
    this.left = answer.bytes;
    if (this.left === 0) this.busy(ATA_LATENCY.other, STATUS);
    else {
      if (this.from !== REPLY) this.begin(REQUEST.READ, this.from, this.left);
      const first = this.from === REPLY ? ATA_LATENCY.other : ATA_LATENCY.read;
      this.busy(first + this.left * ATA_LATENCY.byte, this.byDma ? SEND_DMA : SEND);
    }
  }

  /** Ends the packet with CHECK CONDITION (9.8): the sense key stands in the error register. */
  private check(): void {
    this.left = 0;
    this.registers[R.COUNT] = COD | IO;
    this.fail((this.sense.key << 4) | (this.sense.key === NOT_ON_DISC.key ? R.ABRT : 0));
  }

  protected override mediumFailed(): void {
    this.sense = READ_ERROR;
    this.check();
  }

  protected override stepDone(): void {
    switch (this.step) {
      case SEND:
        this.sendBlock();
        break;
      case SEND_DMA:
        this.registers[R.COUNT] = IO;
        this.dma(this.left, true);
        break;
      case IDENTIFICATION:
        identifyCdrom(this.buffer, this.serial);
        this.left = 0;
        this.offer(IDENTIFY_BYTES);
        break;
      default:
        this.finish();
    }
  }

  private sendBlock(): void {
    const bytes = Math.min(this.limit, this.left);
    if (!this.attempt(() => this.fetch(this.buffer.subarray(0, bytes)))) return;
    this.registers[R.COUNT] = IO;
    this.registers[R.LBA_MID] = bytes & 0xff;
    this.registers[R.LBA_HIGH] = bytes >> 8;
    this.offer(bytes);
  }

  protected override blockRead(): void {
    if (this.step === IDENTIFICATION) this.done(false);
    else this.busy(BLOCK_NS, this.left > 0 ? SEND : STATUS);
  }

  private finish(): void {
    this.registers[R.COUNT] = COD | IO;
    this.done();
  }

  protected override fetch(into: Uint8Array): void {
    this.left -= into.length;
    if (this.from === REPLY) {
      into.set(this.reply.subarray(this.gone, this.gone + into.length));
      this.gone += into.length;
    } else {
      this.image.read(this.from, into);
      this.from += into.length;
    }
  }

  protected override store(_from: Uint8Array): void {}

  protected override dmaDone(): void {
    this.left = 0;
    this.finish();
  }

  override save(): DeviceState {
    const { from, left, gone, limit, byDma } = this;
    const { key, code, qualifier } = this.sense;
    return { ...super.save(), from, left, gone, limit, byDma, sense: [key, code, qualifier], reply: Array.from(this.reply) };
  }

  override restore(state: DeviceState): void {
    const reply = savedInts(state, 'reply', (state['reply'] as unknown[])?.length ?? -1, 0, 0xff).slice(0, REPLY_MAX);
    const from = savedInt(state, 'from', REPLY, this.disc.sectors * CD_SECTOR);
    const gone = savedInt(state, 'gone', 0, reply.length);
    const most = from === REPLY ? reply.length - gone : this.disc.sectors * CD_SECTOR - from;
    const left = savedInt(state, 'left', 0, most);
    const byDma = savedFlag(state, 'byDma');
    const limit = savedInt(state, 'limit', 0, 0xfffe);
    const [key, code, qualifier] = savedInts(state, 'sense', 3, 0, 0xff);
    // What the bus master still takes is what is left.
    if (savedInt(state, 'phase', 0, 3) === 3) savedInt(state, 'dmaLeft', left, left);
    super.restore(state);
    Object.assign(this, { reply: Uint8Array.from(reply), from, gone, left, limit, byDma, sense: { key, code, qualifier } });
  }
}

/** The most bytes of a block: even, because an odd one would leave half a word; 0 and FFFFh mean FFFEh (8.23.5). */
function byteLimit(asked: number): number {
  return asked === 0 || asked === 0xffff ? 0xfffe : Math.max(2, asked & ~1);
}
