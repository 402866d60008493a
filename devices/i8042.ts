/**
 * i8042 keyboard controller at ports 60h (data) and 64h (status, command), and the AT keyboard behind it.
 *
 * Specification: IBM PS/2 technical reference, "Keyboard/Auxiliary Device Controller" (status, command byte, controller commands) and
 * "Keyboard (101/102-key)" (keyboard commands, scan code sets); IBM PC/AT technical reference (output port: reset on bit 0, A20 on bit 1).
 *
 * The controller takes a byte at once (IBF always reads 0) and offers one byte at a time in its output buffer: replies of its own first, then the
 * keyboard's, then the auxiliary device's. Reading the buffer drops the interrupt line, and the next byte raises it again, so an edge-triggered
 * input sees every byte. Keys come from the host as scan code set 2, whole sequences or none (`key`); with the command byte's translate bit
 * set the controller turns them into set 1 as its ROM does.
 *
 * The auxiliary port is there. With nothing attached it answers what is sent to it with FEh and the time-out bit, as the controller does
 * when no device clocks the byte in.
 *
 * Left out: the delays of the serial link and of the keyboard's self-test, scan code set 3 (refused), typematic repeat (the host's keyboard repeats),
 * reading the controller's RAM beyond the command byte, the password.
 *
 * @module
 */
import type { AccessSize, DeviceState, IrqLine, PortBus, PortDevice, Saveable } from '../vmm/bus.ts';
import { StateError } from '../vmm/bus.ts';
import { savedFlag, savedInt, savedInts } from './saved.ts';

const DATA = 0x60;
const COMMAND = 0x64;

const STATUS_OBF = 0x01;
const STATUS_SYS = 0x04;
const STATUS_COMMAND = 0x08;
const STATUS_UNLOCKED = 0x10;
const STATUS_AUX = 0x20;
const STATUS_TIMEOUT = 0x40;

const CB_KEYBOARD_INTERRUPT = 0x01;
const CB_AUX_INTERRUPT = 0x02;
const CB_SYS = 0x04;
const CB_KEYBOARD_OFF = 0x10;
const CB_AUX_OFF = 0x20;
const CB_TRANSLATE = 0x40;

const OUT_NO_RESET = 0x01;
const OUT_A20 = 0x02;
const OUT_KEYBOARD_FULL = 0x10;
const OUT_AUX_FULL = 0x20;
/** Clock and data of the keyboard, both idle. */
const OUT_IDLE = 0xc0;
/** Keyboard not locked, no manufacturing jumper. */
const INPUT_PORT = 0xa0;

// Bytes in the queues carry where they came from above bit 7.
const FROM_AUX = 0x100;
const TIMED_OUT = 0x200;

const REPLIES = 8;
/** Bytes that the keyboard and the auxiliary device may have waiting. */
const QUEUE = 16;

const ACK = 0xfa;
const RESEND = 0xfe;
const SELF_TEST_PASSED = 0xaa;

/** The command byte as firmware leaves it: keyboard interrupt, self-test passed, translation, auxiliary port off. */
const COMMAND_BYTE = CB_KEYBOARD_INTERRUPT | CB_SYS | CB_AUX_OFF | CB_TRANSLATE;

/** A device on the auxiliary port. */
export interface Ps2Device extends Saveable {
  /** Takes a byte from the host; what it answers goes to `reply`, at most 8 bytes. */
  write(value: number, reply: (value: number) => void): void;
  reset(): void;
}

export interface I8042Options {
  readonly keyboardIrq: IrqLine;
  readonly auxIrq: IrqLine;
  /** Told whenever the output port's A20 gate opens or closes; it is open after reset, as firmware leaves it. */
  readonly a20: (open: boolean) => void;
  /** The processor's reset line is pulsed. */
  readonly reset: () => void;
  /** What is plugged into the auxiliary port; nothing unless told. */
  readonly aux?: Ps2Device;
}

export class I8042 implements PortDevice, Saveable {
  private readonly keyboardIrq: IrqLine;
  private readonly auxIrq: IrqLine;
  private readonly a20: (open: boolean) => void;
  private readonly resetMachine: () => void;
  private readonly aux: Ps2Device | undefined;
  private readonly keyboard = new Keyboard();
  private readonly replies = new ByteQueue(REPLIES);
  private readonly auxQueue = new ByteQueue(QUEUE);
  /** Called whenever the guest has done something after which the keyboard is `ready`. */
  onReady: (() => void) | undefined;
  private commandByte = COMMAND_BYTE;
  private outputPort = OUT_NO_RESET | OUT_A20;
  /** The controller command that awaits a byte at port 60h, or 0. */
  private awaiting = 0;
  private lastWasCommand = false;
  /** The output buffer: a byte with its source, and whether it is full. An empty one still reads as its last byte. */
  private buffer = 0;
  private full = false;
  /** A break prefix (F0h) passed the translation, which belongs to the next byte. */
  private breaking = false;

  constructor(options: I8042Options) {
    this.keyboardIrq = options.keyboardIrq;
    this.auxIrq = options.auxIrq;
    this.a20 = options.a20;
    this.resetMachine = options.reset;
    this.aux = options.aux;
  }

  attach(ports: PortBus): void {
    ports.addPorts(DATA, 1, this, 'i8042');
    ports.addPorts(COMMAND, 1, this, 'i8042');
  }

  /** A key's scan codes of set 2, make or break, as one sequence. False when the keyboard's buffer has no room: offer it again later. */
  key(codes: readonly number[]): boolean {
    const taken = this.keyboard.key(codes);
    this.fill();
    return taken;
  }

  /** The keyboard is on and all that it sent has been read: a key would be taken at once. */
  get ready(): boolean {
    return !this.full && this.replies.count === 0 && (this.commandByte & CB_KEYBOARD_OFF) === 0 && this.keyboard.idle;
  }

  /** The guest has enabled the keyboard since the last reset. */
  get wasEnabled(): boolean {
    return this.keyboard.enabled;
  }

  /** Bytes that the auxiliary device sends of its own (a movement packet), all or none. */
  auxInput(bytes: readonly number[]): boolean {
    if (this.auxQueue.space < bytes.length) return false;
    for (const byte of bytes) this.auxQueue.push(byte);
    this.fill();
    return true;
  }

  /** Caps, num and scroll lock as the guest set them (bits 2, 1, 0). */
  get leds(): number {
    return this.keyboard.leds;
  }

  portRead(port: number, size: AccessSize): number {
    const value = port === COMMAND ? this.status() : port === DATA ? this.readData() : 0xff;
    return size === 1 ? value : (2 ** (8 * size) - 0x100 + value) >>> 0;
  }

  portWrite(port: number, _size: AccessSize, value: number): void {
    const byte = value & 0xff;
    if (port === COMMAND) {
      this.lastWasCommand = true;
      this.command(byte);
    } else if (port === DATA) {
      this.lastWasCommand = false;
      this.data(byte);
    }
    this.fill();
    if (this.ready) this.onReady?.();
  }

  reset(): void {
    this.keyboard.reset();
    this.keyboard.enabled = false;
    this.aux?.reset();
    this.replies.clear();
    this.auxQueue.clear();
    this.commandByte = COMMAND_BYTE;
    this.awaiting = 0;
    this.lastWasCommand = false;
    this.buffer = 0;
    this.full = false;
    this.breaking = false;
    this.writeA20(true);
    this.drive();
  }

  save(): DeviceState {
    const { commandByte, outputPort, awaiting, lastWasCommand, buffer, full, breaking } = this;
    const registers = { commandByte, outputPort, awaiting, lastWasCommand, buffer, full, breaking };
    return {
      ...registers,
      replies: this.replies.list(),
      auxQueue: this.auxQueue.list(),
      keyboard: this.keyboard.save(),
      aux: this.aux === undefined ? null : this.aux.save(),
    };
  }

  restore(state: DeviceState): void {
    const commandByte = savedInt(state, 'commandByte', 0, 0xff);
    const outputPort = savedInt(state, 'outputPort', 0, OUT_NO_RESET | OUT_A20);
    const awaiting = savedInt(state, 'awaiting', 0, 0xff);
    const lastWasCommand = savedFlag(state, 'lastWasCommand');
    const buffer = savedInt(state, 'buffer', 0, 0x3ff);
    const full = savedFlag(state, 'full');
    const breaking = savedFlag(state, 'breaking');
    const replies = savedQueue(state, 'replies', REPLIES, 0x3ff);
    const auxQueue = savedQueue(state, 'auxQueue', QUEUE, 0xff);
    const keyboard = Keyboard.check(savedPart(state, 'keyboard'));
    if ((state['aux'] === null) !== (this.aux === undefined)) throw new StateError('aux: does not fit what is plugged in');
    this.aux?.restore(savedPart(state, 'aux'));
    Object.assign(this, { commandByte, awaiting, lastWasCommand, buffer, full, breaking });
    this.replies.refill(replies);
    this.auxQueue.refill(auxQueue);
    this.keyboard.put(keyboard);
    this.writeA20((outputPort & OUT_A20) !== 0);
    this.drive();
  }

  private status(): number {
    let value = STATUS_UNLOCKED;
    if (this.full) value |= STATUS_OBF;
    if (this.full && this.buffer & FROM_AUX) value |= STATUS_AUX;
    if (this.full && this.buffer & TIMED_OUT) value |= STATUS_TIMEOUT;
    if (this.commandByte & CB_SYS) value |= STATUS_SYS;
    if (this.lastWasCommand) value |= STATUS_COMMAND;
    return value;
  }

  private readData(): number {
    const value = this.buffer & 0xff;
    if (this.full) {
      this.full = false;
      this.drive();
      this.fill();
      if (this.ready) this.onReady?.();
    }
    return value;
  }

  /** Moves the next byte into the empty output buffer. */
  private fill(): void {
    if (this.full) return;
    if (this.replies.count > 0) this.offer(this.replies.shift());
    else if (!(this.commandByte & CB_KEYBOARD_OFF) && this.fillFromKeyboard()) return;
    else if (!(this.commandByte & CB_AUX_OFF) && this.auxQueue.count > 0) this.offer(this.auxQueue.shift() | FROM_AUX);
  }

  private fillFromKeyboard(): boolean {
    while (this.keyboard.queue.count > 0) {
      const byte = this.keyboard.send();
      if ((this.commandByte & CB_TRANSLATE) === 0) {
        this.offer(byte);
        return true;
      }
      // Set 1 has no prefix for a break: it is bit 7 of the code.
      if (byte === 0xf0) {
        this.breaking = true;
        continue;
      }
      this.offer(translate(byte) | (this.breaking ? 0x80 : 0));
      this.breaking = false;
      return true;
    }
    return false;
  }

  private offer(entry: number): void {
    this.buffer = entry;
    this.full = true;
    this.drive();
  }

  private drive(): void {
    const fromAux = (this.buffer & FROM_AUX) !== 0;
    this.keyboardIrq.set(this.full && !fromAux && (this.commandByte & CB_KEYBOARD_INTERRUPT) !== 0);
    this.auxIrq.set(this.full && fromAux && (this.commandByte & CB_AUX_INTERRUPT) !== 0);
  }

  private command(command: number): void {
    this.awaiting = 0;
    if (command >= 0xf0) {
      // Pulses the output port lines whose bits are 0; bit 0 is the processor's reset.
      if ((command & OUT_NO_RESET) === 0) this.resetMachine();
      return;
    }
    switch (command) {
      case 0x20:
        this.reply(this.commandByte);
        break;
      case 0x60: // write command byte
      case 0xd1: // write output port
      case 0xd2: // write keyboard output buffer
      case 0xd3: // write auxiliary output buffer
      case 0xd4: // write to the auxiliary device
        this.awaiting = command;
        break;
      case 0xa4: // no password is installed
        this.reply(0xf1);
        break;
      case 0xa7:
        this.setCommandByte(this.commandByte | CB_AUX_OFF);
        break;
      case 0xa8:
        this.setCommandByte(this.commandByte & ~CB_AUX_OFF);
        break;
      case 0xa9: // both interface tests pass
      case 0xab:
        this.reply(0x00);
        break;
      case 0xaa:
        this.setCommandByte(this.commandByte | CB_SYS);
        this.reply(0x55);
        break;
      case 0xad:
        this.setCommandByte(this.commandByte | CB_KEYBOARD_OFF);
        break;
      case 0xae:
        this.setCommandByte(this.commandByte & ~CB_KEYBOARD_OFF);
        break;
      case 0xc0:
        this.reply(INPUT_PORT);
        break;
      case 0xd0:
        this.reply(this.readOutputPort());
        break;
      case 0xe0: // test inputs T0 and T1, the clock lines: low while an interface is off
        this.reply((this.commandByte & CB_KEYBOARD_OFF ? 0 : 1) | (this.commandByte & CB_AUX_OFF ? 0 : 2));
        break;
      default:
        break;
    }
  }

  private data(value: number): void {
    const command = this.awaiting;
    this.awaiting = 0;
    switch (command) {
      case 0x60:
        this.setCommandByte(value);
        break;
      case 0xd1:
        this.writeA20((value & OUT_A20) !== 0);
        if ((value & OUT_NO_RESET) === 0) this.resetMachine();
        break;
      case 0xd2:
        this.reply(value);
        break;
      case 0xd3:
        this.reply(value | FROM_AUX);
        break;
      case 0xd4:
        this.writeAux(value);
        break;
      default:
        // Sending to the keyboard switches its interface on.
        this.setCommandByte(this.commandByte & ~CB_KEYBOARD_OFF);
        this.keyboard.write(value);
        this.breaking = false;
    }
  }

  private writeAux(value: number): void {
    this.setCommandByte(this.commandByte & ~CB_AUX_OFF);
    if (this.aux === undefined) this.reply(RESEND | FROM_AUX | TIMED_OUT);
    else this.aux.write(value, (byte) => this.auxQueue.push(byte));
  }

  private setCommandByte(value: number): void {
    this.commandByte = value;
    this.drive();
  }

  private readOutputPort(): number {
    const fromAux = (this.buffer & FROM_AUX) !== 0;
    return OUT_IDLE | this.outputPort | (this.full ? (fromAux ? OUT_AUX_FULL : OUT_KEYBOARD_FULL) : 0);
  }

  private writeA20(open: boolean): void {
    if (((this.outputPort & OUT_A20) !== 0) === open) return;
    this.outputPort ^= OUT_A20;
    this.a20(open);
  }

  private reply(entry: number): void {
    this.replies.push(entry);
  }
}

/** The keyboard: takes commands, queues answers and key codes. */
class Keyboard {
  readonly queue = new ByteQueue(QUEUE);
  leds = 0;
  /** Was told to scan (F4h, F6h) since power-on. */
  enabled = false;
  private scanning = true;
  private scanSet = 2;
  /** The command whose parameter comes next, or 0. */
  private awaiting = 0;
  private last = 0;

  key(codes: readonly number[]): boolean {
    if (!this.scanning) return true;
    if (this.queue.space < codes.length) return false;
    let breaking = false;
    for (const code of codes) {
      if (this.scanSet === 2) this.queue.push(code);
      else if (code === 0xf0) breaking = true;
      else {
        this.queue.push(translate(code) | (breaking ? 0x80 : 0));
        breaking = false;
      }
    }
    return true;
  }

  get idle(): boolean {
    return this.scanning && this.queue.count === 0;
  }

  send(): number {
    this.last = this.queue.shift();
    return this.last;
  }

  write(value: number): void {
    const command = this.awaiting;
    this.awaiting = 0;
    // A parameter is below 80h; anything else is a new command in its place.
    if (command !== 0 && value < 0x80) this.parameter(command, value);
    else this.command(value);
  }

  reset(): void {
    this.queue.clear();
    this.leds = 0;
    this.scanning = true;
    this.scanSet = 2;
    this.awaiting = 0;
    this.last = 0;
  }

  save(): DeviceState {
    const { leds, enabled, scanning, scanSet, awaiting, last } = this;
    return { leds, enabled, scanning, scanSet, awaiting, last, queue: this.queue.list() };
  }

  /** Checks a saved state without taking it. */
  static check(state: DeviceState) {
    return {
      registers: {
        leds: savedInt(state, 'leds', 0, 7),
        enabled: savedFlag(state, 'enabled'),
        scanning: savedFlag(state, 'scanning'),
        scanSet: savedInt(state, 'scanSet', 1, 2),
        awaiting: savedInt(state, 'awaiting', 0, 0xff),
        last: savedInt(state, 'last', 0, 0xff),
      },
      queue: savedQueue(state, 'queue', QUEUE, 0xff),
    };
  }

  put(checked: ReturnType<typeof Keyboard.check>): void {
    Object.assign(this, checked.registers);
    this.queue.refill(checked.queue);
  }

  private command(command: number): void {
    if (command === 0xfe) {
      this.answer(this.last);
      return;
    }
    // A command throws away what has not been sent yet.
    this.queue.clear();
    switch (command) {
      case 0xed: // LEDs
      case 0xf0: // scan code set
      case 0xf3: // typematic rate and delay
        this.awaiting = command;
        this.answer(ACK);
        break;
      case 0xee: // echo
        this.answer(0xee);
        break;
      case 0xf2: // identify: an MF2 keyboard
        this.answer(ACK, 0xab, 0x83);
        break;
      case 0xf4:
        this.scanning = true;
        this.enabled = true;
        this.answer(ACK);
        break;
      case 0xf5: // defaults, scanning off
        this.scanning = false;
        this.scanSet = 2;
        this.answer(ACK);
        break;
      case 0xf6: // defaults
        this.scanning = true;
        this.enabled = true;
        this.scanSet = 2;
        this.answer(ACK);
        break;
      case 0xf7: // make and typematic settings of set 3: acknowledged
      case 0xf8:
      case 0xf9:
      case 0xfa:
        this.answer(ACK);
        break;
      case 0xff:
        this.reset();
        this.answer(ACK, SELF_TEST_PASSED);
        break;
      default:
        this.answer(RESEND);
    }
  }

  private parameter(command: number, value: number): void {
    if (command === 0xed) this.leds = value & 7;
    if (command !== 0xf0) this.answer(ACK);
    else if (value === 0) this.answer(ACK, this.scanSet);
    else if (value <= 2) {
      this.scanSet = value;
      this.answer(ACK);
    } else this.answer(RESEND);
  }

  private answer(...bytes: number[]): void {
    for (const byte of bytes) this.queue.push(byte);
  }
}

/** A ring of small numbers with a bound; what does not fit is dropped. */
class ByteQueue {
  private readonly ring: Uint16Array;
  private head = 0;
  count = 0;

  constructor(size: number) {
    this.ring = new Uint16Array(size);
  }

  get space(): number {
    return this.ring.length - this.count;
  }

  push(value: number): void {
    if (this.space > 0) this.ring[(this.head + this.count++) % this.ring.length] = value;
  }

  shift(): number {
    const value = this.ring[this.head];
    this.head = (this.head + 1) % this.ring.length;
    this.count--;
    return value;
  }

  clear(): void {
    this.count = 0;
  }

  list(): number[] {
    return Array.from({ length: this.count }, (_, i) => this.ring[(this.head + i) % this.ring.length]);
  }

  refill(values: readonly number[]): void {
    this.clear();
    for (const value of values) this.push(value);
  }
}

/** The controller's ROM, "Scan code translation": a code of set 2 (index, in hexadecimal pairs) becomes this one of set 1; 85h and up pass unchanged. */
const SET2_TO_SET1 = Uint8Array.from(
  [
    'ff 43 41 3f 3d 3b 3c 58 64 44 42 40 3e 0f 29 59 65 38 2a 70 1d 10 02 5a 66 71 2c 1f 1e 11 03 5b',
    '67 2e 2d 20 12 05 04 5c 68 39 2f 21 14 13 06 5d 69 31 30 23 22 15 07 5e 6a 72 32 24 16 08 09 5f',
    '6b 33 25 17 18 0b 0a 60 6c 34 35 26 27 19 0c 61 6d 73 28 74 1a 0d 62 6e 3a 36 1c 1b 75 2b 63 76',
    '55 56 77 78 79 7a 0e 7b 7c 4f 7d 4b 47 7e 7f 6f 52 53 50 4c 4d 48 01 45 57 4e 51 4a 37 49 46 54',
    '80 81 82 41 54',
  ].flatMap((row) => row.split(' ').map((byte) => Number.parseInt(byte, 16))),
);

function translate(code: number): number {
  return SET2_TO_SET1[code] ?? code;
}

/** A list of at most `most` bytes with their source above them. */
function savedQueue(state: DeviceState, key: string, most: number, max: number): number[] {
  const value = state[key];
  return savedInts(state, key, Array.isArray(value) ? Math.min(value.length, most) : 0, 0, max);
}

function savedPart(state: DeviceState, key: string): DeviceState {
  const value = state[key];
  if (typeof value !== 'object' || value === null) throw new StateError(`${key}: a part expected`);
  return value as DeviceState;
}
