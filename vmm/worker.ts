/**
 * The VM's thread: makes a board from plain options, runs its guest to the end, reports.
 *
 * It never yields to its event loop while the guest runs. The outside world enters at slice ends: a flag in shared memory says that there is
 * something, then messages are received synchronously; what is not for the guest's console is for an extension, such as a tracer. The console
 * leaves through a ring in shared memory. Host time is looked at only here, for `--limit wall`, for pacing, and for `--clock host`.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { type MessagePort, parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { isOutside } from '../devices/net/options.ts';
import { checkFirmware } from './boot/index.ts';
import { StateError } from './bus.ts';
import { RingWriter } from './console-ring.ts';
import { adoptCore } from './cpu/core.ts';
import { Extensions } from './extension.ts';
import { type GuestFiles, Machine, type Outside } from './machine.ts';
import type { Nics } from './nics.ts';
import type { RunDisks } from './run-disks.ts';
import type { Share } from './shares.ts';
import { captureOver, filesOf, sameFile } from './run-files.ts';
import { type InputMessage, type RunOptions, SIGNAL, type WorkerData, type WorkerMessage } from './worker-messages.ts';

/** A file that cannot be used: one line for the user. */
class Refusal extends Error {
  override readonly name = 'Refusal';
}

const POLL_MS = 200;
const VIDEO_BIOS_MAX = 65536;
/** No file that makes a guest is larger; what is not loaded, such as debugging information, counts. */
const FILE_MAX = 3584 * 1048576;
/** The same for what does not tell its size and has to be gathered. */
const STREAM_MAX = 512 * 1048576;
/** Node reads less than 2 GiB at once. */
const READ_MAX = 1 << 30;

/** The outside world of a run. */
class World implements Outside {
  attached: boolean;
  wallReached = false;
  readonly #signal: Int32Array;
  readonly #port: MessagePort;
  readonly #options: RunOptions;
  readonly #machine: Machine;
  readonly #flush: () => void;
  readonly #extensions: Extensions;
  readonly #nics: Nics | undefined;
  readonly #start = performance.now();
  /** Nanoseconds by which the VM's clock was behind the host's when the guest had nothing to do, as far as that is forgiven. */
  #lag = 0;

  constructor(data: WorkerData, machine: Machine, flush: () => void, extensions: Extensions, nics: Nics | undefined) {
    this.#signal = new Int32Array(data.signal);
    this.#port = data.input;
    this.#options = data.options;
    this.#machine = machine;
    this.#flush = flush;
    this.#extensions = extensions;
    this.#nics = nics;
    this.attached = data.options.attached || this.#networked;
  }

  get #networked(): boolean {
    return (this.#options.nics ?? []).some(isOutside);
  }

  #elapsedNs(): number {
    return Math.floor((performance.now() - this.#start) * 1e6) - this.#lag;
  }

  /**
   * With the host's network, idle time is never made up for: a guest that was slower than the host would else run through its timeouts before anybody
   * could answer.
   */
  #forgive(now: number): void {
    if (this.#networked) this.#lag += Math.max(0, this.#elapsedNs() - now);
  }

  get #quit(): boolean {
    return Atomics.load(this.#signal, SIGNAL.QUIT) !== 0;
  }

  look(): boolean {
    this.#flush();
    this.#machine.vm.kstats.refresh();
    if (this.#quit) return true;
    const { limits, clock } = this.#options;
    if (limits.wallMs !== undefined && performance.now() - this.#start >= limits.wallMs) {
      this.wallReached = true;
      return true;
    }
    if (clock === 'host') {
      const target = this.#elapsedNs();
      if (target > this.#machine.vm.clock.now()) this.#machine.vm.clock.setNow(target);
    }
    if (Atomics.exchange(this.#signal, SIGNAL.INPUT, 0) !== 0) {
      this.#receive();
      this.#nics?.poll();
    }
    return false;
  }

  /** Takes what the main thread sent; true when there was input for the guest. */
  #receive(): boolean {
    let any = false;
    for (;;) {
      const message = receiveMessageOnPort(this.#port) as { message: InputMessage } | undefined;
      if (message === undefined) return any;
      if (message.message === null) this.attached = this.#networked;
      else if (message.message instanceof Uint8Array) {
        this.#machine.consoleInput(message.message);
        any = true;
      } else if ('keys' in message.message) {
        this.#machine.keyInput(message.message.keys);
        any = true;
      } else this.#extensions.receive(message.message);
    }
  }

  /** Blocks until something comes from outside, and takes it; false when the run is to end. */
  wait(): boolean {
    Atomics.wait(this.#signal, SIGNAL.INPUT, 0, POLL_MS);
    return !this.look();
  }

  idle(next: number): number {
    if (this.look()) return -1;
    this.#nics?.flush();
    const { clock } = this.#machine.vm;
    // What came in just now may be due at once.
    const until = Math.min(next, clock.next);
    if (this.#options.clock !== 'host') this.#forgive(clock.now());
    const paced = this.#options.idle === 'pace' || this.#options.clock === 'host';
    if (!paced && until !== Number.POSITIVE_INFINITY) return until;
    // One wait at most: the caller asks again, and a person's key must not wait for a far timer.
    const waitMs = Math.min(POLL_MS, (until - this.#elapsedNs()) / 1e6);
    if (waitMs > 0) Atomics.wait(this.#signal, SIGNAL.INPUT, 0, waitMs);
    const now = clock.now();
    const reached = paced ? Math.max(now, Math.min(until, this.#elapsedNs())) : now;
    if (Atomics.load(this.#signal, SIGNAL.INPUT) !== 0) {
      clock.advance(reached);
      if (this.look()) return -1;
    }
    return reached;
  }
}

type Room = (bytes: number) => Uint8Array;

function readGuestFile(option: string, path: string, room: Room): Uint8Array {
  try {
    const fd = openSync(path, 'r');
    try {
      const { size } = fstatSync(fd);
      // A pipe or a device does not tell its size.
      if (size === 0) return readStream(fd);
      if (size > FILE_MAX) throw new Refusal(`is ${Math.ceil(size / 1048576)} MB long, more than any guest's memory`);
      const bytes = room(size);
      let at = 0;
      for (let got = -1; got !== 0 && at < size; at += got) got = readSync(fd, bytes, at, Math.min(size - at, READ_MAX), null);
      return bytes.subarray(0, at);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new Refusal(`${option} ${named(path)}: ${whyUnreadable(error as Error)}`);
  }
}

function named(path: string): string {
  return path === '' ? "''" : path;
}

/** All of a pipe or device, as far as it can be an image at all. */
function readStream(fd: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const part = new Uint8Array(1048576);
    const got = readSync(fd, part, 0, part.length, null);
    if (got === 0) return Buffer.concat(parts);
    total += got;
    if (total > STREAM_MAX) throw new Refusal(`goes on for more than ${STREAM_MAX / 1048576} MB; put it into a file`);
    parts.push(part.subarray(0, got));
  }
}

function whyUnreadable(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof Refusal) return error.message;
  if (error instanceof RangeError) return `too large for this host's memory (${error.message})`;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'is a directory, not a file';
  return code === 'EACCES' || code === 'EPERM' ? 'you may not read it' : `cannot read it (${code ?? error.message})`;
}

function readFirmware(path: string): Uint8Array {
  const image = readGuestFile('--bios', path, (bytes) => new Uint8Array(bytes));
  try {
    checkFirmware(image);
  } catch (error) {
    throw new Refusal(`--bios ${named(path)}: ${(error as Error).message}`);
  }
  return image;
}

function readVideoBios(path: string | undefined): Uint8Array | undefined {
  if (path === undefined) return undefined;
  const rom = readGuestFile('--vga text,rom=', path, (bytes) => new Uint8Array(bytes));
  // An option ROM: signature, length in blocks of 512 bytes (PCI Firmware Specification, 5.2.1.2).
  const fits = rom[0] === 0x55 && rom[1] === 0xaa && rom.length <= VIDEO_BIOS_MAX;
  if (!fits) throw new Refusal(`--vga text,rom=${path}: not a video BIOS, which starts with 55 AA and has at most 64 kB`);
  return rom;
}

async function restoreFrom(path: string, machine: Machine): Promise<void> {
  const { restoreMachine } = await import('./saved-machine.ts');
  try {
    restoreMachine(path, machine.vm);
  } catch (error) {
    throw new Refusal(`--restore ${named(path)}: ${error instanceof StateError ? error.message : whyUnreadable(error as Error)}`);
  }
}

function loadFiles(options: RunOptions, kernel: string, room: Room): GuestFiles {
  return {
    kernel: readGuestFile('--kernel', kernel, room),
    kernelName: kernel,
    initrd: options.initrd === undefined ? undefined : readGuestFile('--initrd', options.initrd, room),
    initrdName: options.initrd,
  };
}

/** Where a console's output goes. */
interface Console {
  put(byte: number): void;
  flush(): void;
  close(): void;
}

const NOWHERE: Console = { put() {}, flush() {}, close() {} };

/** The main thread's standard output. */
function openStdio(data: WorkerData, post: (message: WorkerMessage) => void): Console {
  const signal = new Int32Array(data.signal);
  const ring = new RingWriter(
    data.ring,
    () => post({ kind: 'console' }),
    () => Atomics.load(signal, SIGNAL.QUIT) !== 0,
  );
  return { put: (byte) => ring.put(byte), flush: () => ring.flush(), close: () => ring.flush() };
}

/** COM1's other end. */
function openConsole(data: WorkerData, post: (message: WorkerMessage) => void): Console {
  const { serial } = data.options;
  if (serial === 'null') return NOWHERE;
  if (serial === 'stdio') return openStdio(data, post);
  for (const { option, path } of filesOf(data.options)) {
    if (sameFile(path, serial.file)) throw new Refusal(`--serial ${serial.file}: would overwrite ${option}; give another file`);
  }
  return openConsoleFile(serial.file);
}

function openConsoleFile(file: string): Console {
  const unwritable = (error: unknown): Refusal => {
    return new Refusal(`--serial ${named(file)}: cannot write it (${(error as NodeJS.ErrnoException).code}); give stdio, null or a file`);
  };
  let fd: number;
  try {
    fd = openSync(file, 'w');
  } catch (error) {
    throw unwritable(error);
  }
  const buffer = new Uint8Array(4096);
  let used = 0;
  let failure: unknown;
  const empty = (): void => {
    try {
      for (let at = 0; at < used && failure === undefined; ) at += writeSync(fd, buffer, at, used - at);
    } catch (error) {
      failure = error;
    }
    used = 0;
  };
  const flush = (): void => {
    empty();
    if (failure !== undefined) throw unwritable(failure);
  };
  return {
    // Called from inside the guest's run, where nothing may be thrown: `flush` tells.
    put(byte) {
      buffer[used++] = byte;
      if (used === buffer.length) empty();
    },
    flush,
    close() {
      flush();
      closeSync(fd);
    },
  };
}

type Warn = (text: string) => void;

async function openNics(
  { options, nicRings, signal }: WorkerData,
  post: (message: WorkerMessage) => void,
  warn: Warn,
): Promise<Nics | undefined> {
  if (options.nics === undefined || options.nics.length === 0) return undefined;
  const { Nics } = await import('./nics.ts');
  const words = new Int32Array(signal);
  return new Nics(options.nics, {
    seed: options.seed,
    rtcEpoch: options.rtcEpoch,
    rings: nicRings,
    announce: () => post({ kind: 'frames' }),
    abandon: () => Atomics.load(words, SIGNAL.QUIT) !== 0,
    warn,
  });
}

async function openDisks(options: RunOptions, warn: Warn): Promise<RunDisks | undefined> {
  if (options.disks === undefined || options.disks.length === 0) return undefined;
  const { RunDisks } = await import('./run-disks.ts');
  return new RunDisks(options, warn);
}

async function openShares({ shares = [] }: RunOptions, warn: Warn): Promise<Share[]> {
  if (shares.length === 0) return [];
  const { openShareFor } = await import('./shares.ts');
  return shares.map((share) => openShareFor(share, warn));
}

async function main(data: WorkerData, post: (message: WorkerMessage) => void): Promise<void> {
  const { options } = data;
  adoptCore(data.module);
  const warn = (text: string): void => post({ kind: 'warning', text });
  const nics = await openNics(data, post, warn);
  const disks = await openDisks(options, warn);
  const opened = await openShares(options, warn);
  const machine = Machine.createSync({
    memory: options.memory,
    name: options.name,
    vmid: data.vmid,
    firmware: options.bios === undefined ? undefined : readFirmware(options.bios),
    load: options.kernel === undefined ? undefined : (room) => loadFiles(options, options.kernel as string, room),
    append: options.append,
    kind: options.kind,
    output: (byte) => serial.put(byte),
    virtioConsole: options.console === undefined ? undefined : { ...options.console, output: (byte) => toTerminal(byte) },
    exitCosts: options.exitCosts,
    intercepts: options.intercepts,
    cpu: options.cpu,
    cpus: options.cpus,
    rng: options.rng,
    nicMakers: nics?.makers,
    ...disks?.options,
    virtio: options.virtio,
    ecam: options.ecam,
    hpet: options.hpet,
    opened,
    bootFrom: options.boot,
    seed: options.seed,
    video: data.screen === undefined ? undefined : { state: new Uint8Array(data.screen), bios: readVideoBios(options.vgaBios) },
    debugExit: options.debugExit,
    rtcEpoch: options.rtcEpoch,
  });
  if (options.restore === undefined) {
    const boot = machine.boot();
    if (!boot.ok) throw new Refusal(boot.reason);
  } else {
    await restoreFrom(options.restore, machine);
    nics?.restored();
  }
  // Only now: a run that cannot start leaves files as they were.
  const over = captureOver(options);
  if (over !== undefined) throw new Refusal(`--nic pcap=${over.capture}: would overwrite ${over.option}; give another file`);
  nics?.begin();
  const serial = openConsole(data, post);
  // One ring takes what both say, when both say it here.
  const terminal = options.console === undefined || options.serial === 'stdio' ? serial : openStdio(data, post);
  const flush = (): void => {
    serial.flush();
    terminal.flush();
  };
  const { vm } = machine;
  const toTerminal = (byte: number): void => {
    terminal.put(byte);
    vm.onConsoleByte?.(byte);
  };
  const extensions = new Extensions((extension) => ({
    vm,
    options,
    buttons: machine.buttons,
    post: (message) => post({ kind: 'extension', extension, message }),
    wait: () => world.wait(),
  }));
  const world = new World(data, machine, flush, extensions, nics);
  post({ kind: 'started', memory: vm.memory.buffer, kstats: vm.kstats.publish(), vcpus: vm.vcpus.length });
  for (const message of data.extensions ?? []) extensions.receive(message);
  const startupMs = performance.timeOrigin + performance.now() - data.startedAt;
  const begin = performance.now();
  let outcome = machine.run(options.limits, world);
  const runMs = performance.now() - begin;
  // What was counted since the last slice ended is there for who reads the end of the run.
  vm.kstats.refresh();
  // What the guest said comes before what a tracer says of its end.
  flush();
  extensions.ended();
  nics?.close();
  if (outcome.kind === 'interrupted' && world.wallReached) outcome = { kind: 'limit', which: 'wall' };
  serial.close();
  disks?.close();
  let death: string | undefined;
  if (outcome.kind === 'died') {
    const { deathReport } = await import('./death-report.ts');
    death = await deathReport(vm, machine.vcpu, outcome.why);
  }
  const { reportOf } = await import('./report.ts');
  flushCompileCache();
  post({ kind: 'ended', outcome, report: reportOf(vm), death, startupMs, runMs });
}

if (parentPort !== null) {
  const port = parentPort;
  const post = (message: WorkerMessage): void => port.postMessage(message);
  port.once('message', (data: WorkerData) => {
    main(data, post).catch((error: Error) => {
      const expected = [
        'Refusal',
        'MemorySizeError',
        'CoreError',
        'DebugExitError',
        'ExitLogOpenError',
        'DiskOpenError',
        'ShareRefused',
        'NicOpenError',
      ].includes(error.name);
      post(expected ? { kind: 'refused', reason: error.message } : { kind: 'failed', reason: error.stack ?? error.message });
    });
  });
}
