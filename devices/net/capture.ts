/**
 * Writes every frame that passes between a NIC and its back end to a capture file, as it would be on the wire: checksums complete, long segments cut.
 *
 * Times are the VM's clock on the RTC's epoch, so the capture of a run that repeats is the same file. What is written is gathered and goes out in
 * blocks, when the guest is idle, and at the end. A disk that is full ends the capture, not the guest.
 *
 * @module
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Clock } from '../../vmm/bus.ts';
import { FRAME_MAX, type NetBackend, type Offload, type Receiver } from './backend.ts';
import { finish, NOTHING_LEFT } from './offload.ts';
import { CAPTURE_RECORD_BYTES, captureHeader, putRecordHeader } from './pcap.ts';

const BUFFER_BYTES = 2 ** 18;
const NS = 1_000_000_000;

export interface CaptureOptions {
  readonly path: string;
  readonly backend: NetBackend;
  readonly clock: Clock;
  /** Seconds since 1970 at time 0 of the clock. */
  readonly epoch: number;
  /** Told once when the file cannot be written any more. */
  readonly failed: (error: Error) => void;
}

export class Capture implements NetBackend {
  private readonly backend: NetBackend;
  private readonly clock: Clock;
  private readonly epoch: number;
  private readonly failed: (error: Error) => void;
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private readonly view = new DataView(this.buffer.buffer);
  private used = 0;
  private fd: number | undefined;

  private readonly path: string;

  constructor({ path, backend, clock, epoch, failed }: CaptureOptions) {
    this.backend = backend;
    this.clock = clock;
    this.epoch = epoch;
    this.failed = failed;
    this.path = path;
  }

  /** Creates the file. Throws the system's error. */
  begin(): void {
    this.fd = openSync(this.path, 'w');
    this.append(captureHeader());
  }

  get saveable(): NetBackend['saveable'] {
    return this.backend.saveable;
  }

  set receiver(receiver: Receiver) {
    this.backend.receiver = (frame, offload) => {
      const taken = receiver(frame, offload);
      if (taken) this.write(frame, offload);
      return taken;
    };
  }

  get receiver(): Receiver {
    return this.backend.receiver;
  }

  send(frame: Uint8Array, offload: Readonly<Offload>): void {
    this.write(frame, offload);
    this.backend.send(frame, offload);
  }

  ready(): void {
    this.backend.ready();
  }

  private write(frame: Uint8Array, offload: Readonly<Offload>): void {
    if (this.fd === undefined) return;
    finish(
      frame,
      offload,
      NOTHING_LEFT,
      (plain) => this.record(plain),
      () => {},
    );
  }

  private record(frame: Uint8Array): boolean {
    const now = this.clock.now();
    if (this.used + CAPTURE_RECORD_BYTES + FRAME_MAX > BUFFER_BYTES) this.flush();
    putRecordHeader(this.view, this.used, this.epoch + Math.floor(now / NS), now % NS, frame.length);
    this.used += CAPTURE_RECORD_BYTES;
    this.append(frame);
    return true;
  }

  private append(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.used);
    this.used += bytes.length;
  }

  flush(): void {
    const { fd, used } = this;
    this.used = 0;
    if (fd === undefined) return;
    try {
      for (let at = 0; at < used; ) at += writeSync(fd, this.buffer, at, used - at);
    } catch (error) {
      this.end(fd);
      this.failed(error as Error);
    }
  }

  private end(fd: number): void {
    this.fd = undefined;
    closeSync(fd);
  }

  close(): void {
    this.flush();
    if (this.fd !== undefined) this.end(this.fd);
    this.backend.close();
  }
}
