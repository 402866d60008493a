/**
 * The VM's side of a back end that lives in the main thread: frames go through a pair of rings.
 *
 * What the guest sends waits for room when the main thread is behind, in no time of the VM's clock. What comes for the guest is taken at slice ends, where `poll`
 * is called, and gets the time of that moment as its stamp: it is handed over by a deadline, so the guest exits for it as for any other event.
 *
 * @module
 */
import type { Clock, Deadline } from '../../vmm/bus.ts';
import { type NetBackend, NOBODY, type Offload } from './backend.ts';
import { FrameReader, FrameWriter, type SharedFrames } from './frame-ring.ts';

/** Rings of one NIC. */
export interface NicRings {
  readonly fromGuest: SharedFrames;
  readonly toGuest: SharedFrames;
}

const WAIT_MS = 50;

export interface RingBackendOptions {
  readonly rings: NicRings;
  readonly clock: Clock;
  /** Wakes the other side. */
  readonly announce: () => void;
  /** Asked while the ring is full; true gives up, and drops the frame. */
  readonly abandon: () => boolean;
}

export class RingBackend implements NetBackend {
  receiver = NOBODY;
  private readonly writer: FrameWriter;
  private readonly reader: FrameReader;
  private readonly clock: Clock;
  private readonly due: Deadline;
  private readonly announce: () => void;
  private readonly abandon: () => boolean;

  constructor({ rings, clock, announce, abandon }: RingBackendOptions) {
    this.writer = new FrameWriter(rings.fromGuest, announce);
    this.reader = new FrameReader(rings.toGuest);
    this.clock = clock;
    this.due = clock.deadline('network', () => this.deliver());
    this.announce = announce;
    this.abandon = abandon;
  }

  send(frame: Uint8Array, offload: Readonly<Offload>): void {
    while (!this.writer.put(frame, offload)) {
      if (this.abandon()) return;
      this.writer.waitForRoom(WAIT_MS);
    }
  }

  /** Something may have come from outside. */
  poll(): void {
    if (this.reader.look()) this.due.arm(this.clock.now());
  }

  private deliver(): void {
    if (this.reader.take((frame, offload) => this.receiver(frame, offload))) this.announce();
  }

  ready(): void {
    if (this.reader.look()) this.deliver();
  }

  close(): void {}
}
