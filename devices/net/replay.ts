/**
 * Plays a capture to the guest, with its timing by the VM's clock. What the guest sends goes nowhere.
 *
 * Time begins when the guest's driver first has room for a frame, so nothing is played to a guest that is not up. A frame that finds no room
 * waits, and those behind it; none is lost. After the last frame the line is silent.
 *
 * @module
 */
import type { Clock, Deadline, DeviceState, Saveable } from '../../vmm/bus.ts';
import { savedInt } from '../saved.ts';
import { type NetBackend, NOBODY, PLAIN } from './backend.ts';
import type { Captured } from './pcap.ts';

/** The state's time before it begins. */
const NOT_YET = -1;

export class Replay implements NetBackend, Saveable {
  receiver = NOBODY;
  readonly saveable = this;
  private readonly clock: Clock;
  private readonly frames: readonly Captured[];
  private readonly due: Deadline;
  private begun = NOT_YET;
  private next = 0;

  constructor(clock: Clock, frames: readonly Captured[]) {
    this.clock = clock;
    this.frames = frames;
    this.due = clock.deadline('replay', () => this.play());
  }

  send(): void {}

  ready(): void {
    if (this.begun === NOT_YET) this.begun = this.clock.now();
    this.play();
  }

  private play(): void {
    for (;;) {
      const captured = this.frames[this.next];
      if (captured === undefined) return;
      const at = this.begun + captured.ns;
      if (at > this.clock.now()) {
        this.due.arm(at);
        return;
      }
      if (!this.receiver(captured.frame, PLAIN)) return;
      this.next++;
    }
  }

  close(): void {}

  save(): DeviceState {
    return { begun: this.begun, next: this.next };
  }

  restore(state: DeviceState): void {
    const begun = savedInt(state, 'begun', NOT_YET, 2 ** 53);
    this.next = savedInt(state, 'next', 0, this.frames.length);
    this.begun = begun;
    this.due.cancel();
    const captured = this.frames[this.next];
    if (begun !== NOT_YET && captured !== undefined) this.due.arm(begun + captured.ns);
  }
}
