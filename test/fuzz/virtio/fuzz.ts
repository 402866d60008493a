/**
 * Virtio devices against a driver gone bad: valid queues, spoiled.
 *
 * A *life* is one device behind a transport, PCI or MMIO, set up as a driver does, with random features and both ring layouts; it has `CASES` cases. A case adds requests as
 * the driver would, then spoils some of what the guest can write: words of the rings, descriptors, indirect tables, request bytes, registers of the
 * transport, its configuration space, the MSI-X table. Then it notifies, lets time pass, and lets something happen outside. Between cases the device may
 * be reset, a queue of it too, or it is saved, and a new one made and restored goes on.
 *
 * A finding is anything thrown; a byte changed outside RAM, a disk asked for what it has not; more requests of memory for one step than `CALLS` and `BYTES`;
 * a saved state that restores into another one; or, at the end of a life, a device that after a reset does not answer a valid request.
 *
 * Everything follows from the seed of the life, so a finding comes again.
 *
 * @module
 */
import type { VirtioDevice } from '../../../devices/virtio/device.ts';
import type { AccessSize, Saveable } from '../../../vmm/bus.ts';
import { randomSource } from '../../devices/fake-board.ts';
import { FakeClock } from '../../devices/fake.ts';
import { Board, type DriverQueue, MAIN_AT, MSIX_AT, PackedDriver, SplitDriver } from '../../devices/virtio/board.ts';
import { MmioBoard } from '../../devices/virtio/mmio-board.ts';
import { BUFFERS_AT, Finding, GuardedMemory, RAM_BYTES } from './guarded.ts';
import type { MakeTarget, Random, Target } from './targets.ts';

/** Cases in a life. */
export const CASES = 16;
/** Requests of memory and bytes that one step may take: eight queues full of the longest tables that this RAM holds, and some. */
const CALLS = 1 << 20;
const BYTES = 1 << 27;

const VERSION_1 = 32;
const PACKED = 34;
const EVENT_IDX = 29;
const INDIRECT = 28;
const RING_RESET = 40;
const QUEUES_AT = 0x400;
const QUEUE_BYTES = 0x900;
const TABLES_AT = 0x4c00;
/** Rings and tables together. */
const RINGS_END = BUFFERS_AT;

const WORDS = [0, 1, 2, 3, 4, 7, 8, 15, 16, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0x8080, 0xffff];
const ADDRESSES = [0, 1, QUEUES_AT, TABLES_AT, BUFFERS_AT, RAM_BYTES - 1, RAM_BYTES, 0x7fff_ffff, 0xffff_fff0, 0xffff_ffff];

class Life {
  readonly random: Random;
  readonly memory: GuardedMemory;
  readonly target: Target;
  readonly packed: boolean;
  readonly overMmio: boolean;
  clock = new FakeClock();
  board: Board;
  queues: DriverQueue[] = [];
  readonly features: number[];

  constructor(make: MakeTarget, memory: GuardedMemory, seed: number) {
    this.random = randomSource(Math.imul(seed + 1, 0x9e37_79b1));
    for (let i = 0; i < 4; i++) this.random(2);
    this.memory = memory;
    memory.bytes.fill(0);
    this.target = make(memory, this.clock, this.random);
    this.overMmio = this.random(3) === 0;
    this.board = this.makeBoard(this.target.device);
    this.packed = this.random(2) === 0;
    // What a device's features need of each other is fulfilled most of the time.
    const own = this.random(4) > 0 ? this.target.features : this.target.features.filter(() => this.random(3) > 0);
    const maybe = [...[EVENT_IDX, INDIRECT, RING_RESET].filter(() => this.random(3) > 0), ...own];
    this.features = [VERSION_1, ...(this.packed ? [PACKED] : []), ...maybe];
  }

  /** Behind one transport or the other. */
  makeBoard(device: VirtioDevice): Board {
    return this.overMmio ? (new MmioBoard(this.memory, device) as unknown as Board) : new Board(this.memory, device);
  }

  get transport(): Saveable & { reset(): void } {
    return this.overMmio ? (this.board as unknown as MmioBoard).transport : this.board.pci;
  }

  get many(): number {
    return Math.min(4, this.target.device.queues.length);
  }

  setUp(): void {
    if (!this.overMmio) this.board.decode();
    this.board.negotiate(this.features);
    const size = this.packed ? 5 + this.random(4) : 8;
    const Driver = this.packed ? PackedDriver : SplitDriver;
    this.queues = Array.from({ length: this.many }, (_, i) => new Driver(this.board, i, size, QUEUES_AT + QUEUE_BYTES * i));
    if (!this.overMmio && this.random(2) === 0) this.interrupts();
    this.board.status = 0x0f;
  }

  /** MSI-X for every queue. */
  interrupts(): void {
    const { board } = this;
    for (let i = 0; i <= this.many; i++) board.mmio.write(MSIX_AT + 16 * i + 12, 4, 0);
    board.pci.configWrite(board.pci.configRead(0x34, 1) + 2, 2, 0x8000);
    for (let i = 0; i < this.many; i++) {
      board.setCommon(0x16, 2, i);
      board.setCommon(0x1a, 2, i);
    }
  }

  /** One case. */
  step(): void {
    const { random } = this;
    const which = random(this.many);
    const queue = this.queues[which] as DriverQueue;
    for (let n = 1 + random(2); n > 0; n--) {
      const indirect = this.features.includes(INDIRECT) && random(2) === 0 ? TABLES_AT + 16 * random(8) : undefined;
      queue.add(this.target.request(which), indirect);
    }
    for (let n = random(5); n > 0; n--) this.spoil(queue);
    queue.kick();
    this.after();
    const what = random(12);
    if (what === 0) this.target.outside();
    if (what === 1) this.register();
    if (what === 2) this.saveAndRestore();
    if (what === 3) this.setUp();
    this.clock.run(random(2) === 0 ? random(100_000) : 5_000_000);
    this.after();
    while (this.board.messages.length > 0) this.board.messages.pop();
    // A driver that hears that the device gave up resets it, most of the time.
    if ((this.board.status & 0x40) !== 0 && random(4) > 0) this.setUp();
  }

  after(): void {
    this.memory.check(CALLS, BYTES);
  }

  /** Something that the guest can write becomes something else. */
  spoil(queue: DriverQueue): void {
    const { random, memory } = this;
    const { view } = memory;
    switch (random(9)) {
      case 0:
        view.setUint16(2 * random(RINGS_END / 2), this.word(), true);
        break;
      case 1: // a descriptor's address
        view.setUint32(this.descriptor(queue), ADDRESSES[random(ADDRESSES.length)] as number, true);
        break;
      case 2:
        view.setUint32(this.descriptor(queue) + 4, [0, 1, 0x1f_ffff, 0xffff_ffff][random(4)] as number, true);
        break;
      case 3:
        view.setUint32(
          this.descriptor(queue) + 8,
          random(3) === 0 ? random(RAM_BYTES) : (ADDRESSES[random(ADDRESSES.length)] as number),
          true,
        );
        break;
      case 4: // its flags, or where the next one is
        view.setUint16(this.descriptor(queue) + 12 + 2 * random(2), this.word(), true);
        break;
      case 5: // the driver's index, or its event
        view.setUint16(
          queue.driverAt + 2 * random(2),
          random(2) === 0 ? view.getUint16(queue.driverAt + 2, true) + random(9) : this.word(),
          true,
        );
        break;
      case 6:
        view.setUint16(queue.deviceAt + 2 * random(4), this.word(), true);
        break;
      case 7: // a request
        view.setUint32(BUFFERS_AT + 4 * random(16), random(2) === 0 ? random(64) : random(0x1_0000_0000), true);
        break;
      default:
        this.register();
    }
  }

  descriptor(queue: DriverQueue): number {
    return this.random(2) === 0 ? queue.base + 16 * this.random(queue.size) : TABLES_AT + 16 * this.random(16);
  }

  word(): number {
    return this.random(2) === 0 ? (WORDS[this.random(WORDS.length)] as number) : this.random(0x1_0000);
  }

  /** A register of the transport is written or read. */
  register(): void {
    const { random, board } = this;
    const size = (1 << random(3)) as AccessSize;
    const value = random(2) === 0 ? this.word() : random(0x1_0000_0000);
    const at = random(0x40);
    if (this.overMmio) {
      this.mmioRegister(size, value);
      return;
    }
    switch (random(8)) {
      case 0:
        board.setCommon(at, size, value);
        break;
      case 1:
        board.common(at, size);
        break;
      case 2:
        board.mmio.write(MAIN_AT + 0x1000 * random(4) + at, size, value);
        break;
      case 3:
        board.mmio.read(MAIN_AT + 0x1000 * random(4) + at, size);
        break;
      case 4:
        board.mmio.write(MSIX_AT + 4 * random(0x400), 4, value);
        break;
      case 5:
        board.pci.configWrite(4 * random(64), 4, value);
        board.decode();
        break;
      case 6:
        board.pci.configRead(4 * random(64), 4);
        break;
      default: // reset one queue (2.6.1), or leave it out
        board.setCommon(0x16, 2, random(this.many));
        board.setCommon(0x3a, 2, 1);
    }
  }

  mmioRegister(size: AccessSize, value: number): void {
    const board = this.board as unknown as MmioBoard;
    const at = this.random(4) === 0 ? this.random(0x200) : 4 * this.random(0x80);
    if (this.random(2) === 0) board.write(at, value, this.random(3) === 0 ? size : 4);
    else board.read(at, size);
  }

  saveAndRestore(): void {
    const state = JSON.stringify(this.transport.save());
    const clock = new FakeClock(this.clock.now());
    this.board = this.makeBoard(this.target.again(clock));
    this.transport.restore(JSON.parse(state));
    const restored = JSON.stringify(this.transport.save());
    if (restored !== state) throw new Finding(`saved ${state}\nrestored ${restored}`);
    this.clock = clock;
    for (const queue of this.queues) queue.board = this.board;
  }

  /** Whatever happened: after a reset the device serves a driver that keeps to the rules. */
  lives(): void {
    this.features.splice(0, this.features.length, VERSION_1, ...(this.packed ? [PACKED] : []));
    this.transport.reset();
    this.memory.bytes.fill(0, 0, RINGS_END);
    this.setUp();
    const { queue, buffers } = this.target.sound();
    const driver = this.queues[queue] as DriverQueue;
    driver.add(buffers);
    driver.kick();
    this.clock.run(100_000_000);
    if (driver.used() === undefined) throw new Finding(`does not answer after a reset; status ${this.board.status}`);
    this.after();
  }
}

/** One life; throws what it finds. */
export function live(make: MakeTarget, memory: GuardedMemory, seed: number): void {
  const life = new Life(make, memory, seed);
  try {
    life.setUp();
    for (let n = 0; n < CASES; n++) life.step();
    life.lives();
    life.target.outside();
  } finally {
    life.target.done?.();
  }
}

export interface Found {
  readonly life: number;
  readonly text: string;
}

/** Lives `first` to `first + lives`; the first findings. */
export function fuzz(make: MakeTarget, first: number, lives: number, most = 3): readonly Found[] {
  const memory = new GuardedMemory();
  const found: Found[] = [];
  for (let seed = first; seed < first + lives && found.length < most; seed++) {
    try {
      live(make, memory, seed);
    } catch (error) {
      found.push({ life: seed, text: (error as Error).stack ?? String(error) });
    }
  }
  return found;
}
