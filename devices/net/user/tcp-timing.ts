/**
 * When a TCP sender sends again (RFC 6298), and how much it sends at once (RFC 5681, RFC 6582).
 *
 * @module
 */

const RTO_MIN_MS = 1000;
const RTO_MAX_MS = 60000;

/** The retransmission timeout, in milliseconds of the host. A guest runs slower than the host, so it is never short. */
export class RetransmissionTimeout {
  #smoothed = -1;
  #variation = 0;
  #base = RTO_MIN_MS;
  #shift = 0;

  get ms(): number {
    return Math.min(this.#base * 2 ** this.#shift, RTO_MAX_MS);
  }

  /** A measured round trip, of a segment that was sent once. */
  sample(ms: number): void {
    if (this.#smoothed < 0) {
      this.#smoothed = ms;
      this.#variation = ms / 2;
    } else {
      this.#variation += (Math.abs(this.#smoothed - ms) - this.#variation) / 4;
      this.#smoothed += (ms - this.#smoothed) / 8;
    }
    this.#base = Math.min(Math.max(this.#smoothed + 4 * this.#variation, RTO_MIN_MS), RTO_MAX_MS);
  }

  backOff(): void {
    this.#shift = Math.min(this.#shift + 1, 6);
  }

  /** The other side answered. */
  relax(): void {
    this.#shift = 0;
  }
}

/** Where the window begins: the way to the guest is short and loses nothing but when the guest has no buffers. */
const WINDOW_FIRST = 262144;
const WINDOW_MAX = 4194304;
const DUPLICATES = 3;

/** The congestion window, in bytes: NewReno. */
export class Congestion {
  window = WINDOW_FIRST;
  mss = 536;
  #threshold = WINDOW_MAX;
  #duplicates = 0;
  /** The highest sequence number sent when recovery began; undefined outside of it. */
  #recover: number | undefined;

  get recovering(): boolean {
    return this.#recover !== undefined;
  }

  /** New data was acknowledged, up to `una`. True: a part of what was out, so the first segment of the rest is to be sent again. */
  acknowledged(bytes: number, una: number): boolean {
    this.#duplicates = 0;
    if (this.#recover === undefined) {
      const step = this.window < this.#threshold ? bytes : Math.max(1, Math.floor((this.mss * bytes) / this.window));
      this.window = Math.min(this.window + step, WINDOW_MAX);
      return false;
    }
    if (((una - this.#recover) | 0) >= 0) {
      this.window = this.#threshold;
      this.#recover = undefined;
      return false;
    }
    this.window = Math.max(this.window - bytes + this.mss, this.mss);
    return true;
  }

  /** A duplicate acknowledgement, with `flight` bytes out up to `max`. True: the first segment is to be sent again. */
  duplicate(flight: number, max: number): boolean {
    if (this.#recover !== undefined) {
      this.window = Math.min(this.window + this.mss, WINDOW_MAX);
      return false;
    }
    if (++this.#duplicates < DUPLICATES) return false;
    this.#recover = max;
    this.#threshold = Math.max(flight / 2, 2 * this.mss);
    this.window = this.#threshold + DUPLICATES * this.mss;
    return true;
  }

  timeout(flight: number): void {
    this.#threshold = Math.max(flight / 2, 2 * this.mss);
    this.window = this.mss;
    this.#duplicates = 0;
    this.#recover = undefined;
  }
}
