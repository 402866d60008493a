/**
 * One end of a TCP connection with a guest: the state machine of RFC 9293 (3.10), for the stack's side.
 *
 * What is behind it (a socket of the host) is an `Application`; what is below is a `Wire`, which may have no room: then it calls `flush` when it has.
 * A connection that a guest asks for is `connecting` until its application is there; only then the guest's SYN is answered. Nothing is sent while
 * segments are being taken in: `Wire.wants` asks for a `flush` after a batch of them, so one acknowledgement stands for many segments, and data is sent in
 * segments of up to 64 KB. Out-of-order segments are the exception: each is acknowledged at once, so that the guest finds out what was lost.
 *
 * Loss is found by timeout and by duplicate acknowledgements; after a timeout everything is sent again from there on. Selective acknowledgements and
 * timestamps are not offered, because the way to the guest is short and orderly. Blind resets and SYNs get a challenge (RFC 5961). Urgent data
 * is data. There are no keep-alives. TIME-WAIT is one second: no old segment lives longer between two threads.
 *
 * @module
 */
import { after, type Budget, ReceiveQueue } from './receive-queue.ts';
import { type BlockPool, SendQueue } from './send-queue.ts';
import { FLAG, type Segment } from './tcp-segment.ts';
import { Congestion, RetransmissionTimeout } from './tcp-timing.ts';

export type TcpState =
  | 'connecting'
  | 'syn-sent'
  | 'syn-received'
  | 'established'
  | 'fin-wait-1'
  | 'fin-wait-2'
  | 'close-wait'
  | 'closing'
  | 'last-ack'
  | 'time-wait'
  | 'closed';

/** Most bytes of the receive window: 16 times what fits an unscaled one. */
export const RECEIVE_MAX = 524288;
export const RECEIVE_SHIFT = 4;
/** Most data of one segment, so that its packet has at most 64 KB. */
const SEGMENT_MAX = 65535 - 40;
const RETRIES_MAX = 12;
/** How often a SYN is sent again: a guest that is being forwarded to may still be starting. */
const SYN_RETRIES_MAX = 6;
const TIME_WAIT_MS = 1000;

/** Who uses the connection. */
export interface Application {
  /** Both sides are there. */
  opened(): void;
  /** How many bytes it would take now. */
  room(): number;
  /** The next bytes, valid during the call only. */
  received(bytes: Uint8Array): void;
  /** The guest will send no more. */
  finished(): void;
  /** The connection is gone: reset, or the guest does not answer. */
  aborted(): void;
  /** Bytes were acknowledged: the queue is shorter. */
  sendable(): void;
}

/** What carries segments to the guest. */
export interface Wire {
  readonly now: number;
  /** Sends a segment with `length` bytes of the connection's queue from `offset` on. False: not now; `flush` is called when it may go. */
  transmit(connection: TcpConnection, flags: number, sequence: number, offset: number, length: number): boolean;
  /** Asks for a call of `flush` soon. */
  wants(connection: TcpConnection): void;
  /** The connection is over. */
  ended(connection: TcpConnection): void;
}

/** The addresses and ports at both ends. */
export interface TcpAddresses {
  readonly guest: number;
  readonly guestPort: number;
  readonly local: number;
  readonly localPort: number;
}

export class TcpConnection {
  readonly addresses: TcpAddresses;
  readonly queue: SendQueue;
  state: TcpState = 'connecting';
  /** Set by the wire: it waits for room. */
  blocked = false;
  /** Set by the wire: `flush` is to come. */
  wanted = false;
  application: Application | undefined;
  /** The largest segment for the guest. */
  mss: number;
  /** Both sides scale windows. */
  scaled = true;
  readonly #wire: Wire;
  readonly #early: ReceiveQueue;
  readonly #timeout = new RetransmissionTimeout();
  readonly #congestion = new Congestion();

  /** What is sent: the oldest not acknowledged, the next to send, the first never sent (RFC 9293 3.3.1). */
  #una: number;
  #next: number;
  #max: number;
  #peerWindow = 0;
  #peerShift = 0;
  /** Sequence and acknowledgement of the segment that told the window last. */
  #windowSequence = 0;
  #windowAcknowledgement = 0;
  /** No more will be put into the queue; its FIN was acknowledged. */
  #shut = false;
  #finAcknowledged = false;

  /** What is received: the next expected, the edge of the window as the guest knows it, where the guest's FIN stands. */
  #expected = 0;
  #edge = 0;
  #finAt: number | undefined;

  #acknowledge = false;
  #synDue = false;
  #retries = 0;
  #retransmitAt = 0;
  #probeAt = 0;
  #endAt = 0;
  /** The round trip that is being measured: it ends with the acknowledgement of this sequence number. */
  #timed: number | undefined;
  #timedSince = 0;

  constructor(addresses: TcpAddresses, wire: Wire, mss: number, initialSequence: number, budget: Budget, pool: BlockPool) {
    this.queue = new SendQueue(pool);
    this.addresses = addresses;
    this.#wire = wire;
    this.mss = mss;
    this.#early = new ReceiveQueue(budget);
    this.#una = initialSequence | 0;
    this.#next = this.#una;
    this.#max = this.#una;
  }

  // --- The application's side ---

  /** Opens towards the guest. */
  open(application: Application): void {
    this.application = application;
    this.state = 'syn-sent';
    this.#sendSynSoon();
  }

  /** The guest's SYN, which created this connection. */
  requested(segment: Segment): void {
    this.#takeSyn(segment);
  }

  /** Answers the guest's SYN: the application is there. */
  accept(): void {
    if (this.state !== 'connecting') return;
    this.state = 'syn-received';
    this.#sendSynSoon();
  }

  /** Bytes for the guest, of which a copy is kept. */
  send(bytes: Uint8Array): void {
    if (this.#shut || this.state === 'closed') return;
    this.queue.push(bytes);
    this.#wire.wants(this);
  }

  /** Nothing will follow what was sent. */
  shutdown(): void {
    this.#shut = true;
    this.#wire.wants(this);
  }

  /** Gives the connection up and tells the guest. */
  abort(): void {
    if (this.state === 'closed') return;
    const { state } = this;
    if (state === 'connecting') this.#wire.transmit(this, FLAG.RST | FLAG.ACK, 0, 0, 0);
    else if (state !== 'syn-sent' && state !== 'time-wait') this.#wire.transmit(this, FLAG.RST | FLAG.ACK, this.#next, 0, 0);
    this.#end();
  }

  /** Forgets the connection without a word. */
  drop(): void {
    this.#end();
  }

  /** The application has more room: tells the guest, once it is worth it. */
  roomed(): void {
    if (this.#edgeToTell() !== this.#edge && this.#receiving) {
      this.#acknowledge = true;
      this.#wire.wants(this);
    }
  }

  /** The sequence number of the guest's SYN, for an error about it. */
  get requestSequence(): number {
    return (this.#expected - 1) >>> 0;
  }

  get expected(): number {
    return this.#expected;
  }

  // --- The guest's side ---

  /** The window to tell in a segment that is being sent, in bytes. */
  tellWindow(): number {
    if (!this.#receiving) return this.state === 'syn-received' || this.state === 'syn-sent' ? 65535 : 0;
    this.#edge = this.#edgeToTell();
    return after(this.#edge, this.#expected);
  }

  /** A segment for this connection. */
  input(segment: Segment): void {
    switch (this.state) {
      case 'closed':
        return;
      case 'connecting':
        if ((segment.flags & FLAG.RST) !== 0) this.#abandoned();
        return;
      case 'syn-sent':
        this.#inputSynSent(segment);
        return;
      default:
        this.#inputSynchronized(segment);
    }
  }

  /** Sends what is due and what may be sent. */
  flush(): void {
    if (this.state === 'closed' || this.state === 'connecting') return;
    if (this.#synDue && !this.#sendSyn()) return;
    if (this.state !== 'syn-sent' && this.state !== 'syn-received') {
      while (this.#sendNext()) {
        // Until nothing is left, or may go.
      }
      this.#watchWindow();
    }
    if (this.#acknowledge && !this.blocked) this.#transmit(FLAG.ACK, this.#next, 0, 0);
  }

  /** Time has passed. */
  tick(now: number): void {
    if (this.#endAt !== 0 && now >= this.#endAt) this.#end();
    else if (this.#retransmitAt !== 0 && now >= this.#retransmitAt) this.#timedOut(now);
    else if (this.#probeAt !== 0 && now >= this.#probeAt) this.#probe(now);
  }

  // --- Handshake ---

  #sendSynSoon(): void {
    this.#synDue = true;
    this.#wire.wants(this);
  }

  #sendSyn(): boolean {
    if (this.#retransmitAt === 0) this.#retransmitAt = this.#wire.now + this.#timeout.ms;
    const flags = this.state === 'syn-sent' ? FLAG.SYN : FLAG.SYN | FLAG.ACK;
    if (!this.#transmit(flags, this.#una, 0, 0)) return false;
    this.#synDue = false;
    this.#next = (this.#una + 1) | 0;
    this.#max = this.#next;
    return true;
  }

  #takeSyn(segment: Segment): void {
    this.#expected = (segment.sequence + 1) | 0;
    this.#edge = (this.#expected + 65535) | 0;
    this.mss = Math.min(this.mss, segment.mss);
    this.#congestion.mss = this.mss;
    this.scaled = segment.windowShift >= 0;
    this.#peerShift = Math.max(segment.windowShift, 0);
    this.#peerWindow = segment.window;
  }

  #inputSynSent(segment: Segment): void {
    const { flags, acknowledgement } = segment;
    const acknowledged = (flags & FLAG.ACK) !== 0;
    const acceptable = acknowledged && acknowledgement === this.#max && this.#max !== this.#una;
    if (acknowledged && !acceptable) {
      if ((flags & FLAG.RST) === 0) this.#wire.transmit(this, FLAG.RST, acknowledgement, 0, 0);
      return;
    }
    if ((flags & FLAG.RST) !== 0) {
      if (acceptable) this.#abandoned();
      return;
    }
    if ((flags & FLAG.SYN) === 0) return;
    this.#takeSyn(segment);
    this.state = 'syn-received';
    if (acceptable) this.#established(segment, segment.window);
    else this.#sendSynSoon();
  }

  #established(segment: Segment, window: number): void {
    this.state = 'established';
    this.#una = segment.acknowledgement;
    this.#synDue = false;
    this.#retransmitAt = 0;
    this.#retries = 0;
    this.#timeout.relax();
    this.#peerWindow = window;
    this.#windowSequence = segment.sequence;
    this.#windowAcknowledgement = segment.acknowledgement;
    this.#acknowledge = (segment.flags & FLAG.SYN) !== 0;
    this.#wire.wants(this);
    this.application?.opened();
  }

  // --- Segments of a connection that both sides know ---

  #inputSynchronized(segment: Segment): void {
    const { flags, sequence } = segment;
    if (!this.#acceptable(segment)) {
      if ((flags & FLAG.RST) !== 0) return;
      if (this.state === 'syn-received' && (flags & FLAG.SYN) !== 0) {
        this.#sendSynSoon();
        return;
      }
      // A window that is closed shuts out data, not what is said of the other direction.
      if (sequence === this.#expected && (flags & FLAG.ACK) !== 0 && (flags & FLAG.SYN) === 0 && this.#takeAcknowledgement(segment)) {
        this.#acknowledge = true;
        this.#wire.wants(this);
      } else this.#acknowledgeNow();
      return;
    }
    if ((flags & FLAG.RST) !== 0) {
      if (sequence === this.#expected) this.#abandoned();
      else this.#acknowledgeNow();
      return;
    }
    if ((flags & FLAG.SYN) !== 0) {
      this.#acknowledgeNow();
      return;
    }
    if ((flags & FLAG.ACK) === 0 || !this.#takeAcknowledgement(segment)) return;
    this.#takeData(segment);
  }

  /** RFC 9293 3.10.7.4, first check: some of the segment is in the window. */
  #acceptable(segment: Segment): boolean {
    const length = segment.dataLength + (segment.flags & FLAG.SYN ? 1 : 0) + (segment.flags & FLAG.FIN ? 1 : 0);
    const window = after(this.#edge, this.#expected);
    const begin = after(segment.sequence, this.#expected);
    if (length === 0) return begin === 0 || (begin > 0 && begin < window);
    return begin < window && begin + length > 0;
  }

  /** Takes the acknowledgement and the window; false when the segment is to be looked at no further. */
  #takeAcknowledgement(segment: Segment): boolean {
    const { acknowledgement, sequence } = segment;
    const window = segment.window << this.#peerShift;
    if (this.state === 'syn-received') {
      if (acknowledgement !== this.#max || this.#max === this.#una) {
        this.#wire.transmit(this, FLAG.RST, acknowledgement, 0, 0);
        return false;
      }
      this.#established(segment, window);
      return true;
    }
    if (after(acknowledgement, this.#max) > 0) {
      this.#acknowledgeNow();
      return false;
    }
    const progress = after(acknowledgement, this.#una);
    if (progress > 0) this.#advance(acknowledgement, progress);
    else if (progress === 0 && this.#isDuplicate(segment, window)) this.#duplicate();
    if (this.#ended) return false;
    const newer = after(sequence, this.#windowSequence);
    if (progress >= 0 && (newer > 0 || (newer === 0 && after(acknowledgement, this.#windowAcknowledgement) >= 0))) {
      if (window > this.#peerWindow) this.#wire.wants(this);
      this.#peerWindow = window;
      this.#windowSequence = sequence;
      this.#windowAcknowledgement = acknowledgement;
      if (window > 0) this.#probeAt = 0;
    }
    return true;
  }

  #isDuplicate(segment: Segment, window: number): boolean {
    return segment.dataLength === 0 && (segment.flags & FLAG.FIN) === 0 && window === this.#peerWindow && this.#max !== this.#una;
  }

  #duplicate(): void {
    if (this.#congestion.duplicate(after(this.#max, this.#una), this.#max)) this.#sendFirstAgain();
    else if (this.#congestion.recovering) this.#wire.wants(this);
  }

  /** Data, or the FIN, was acknowledged. */
  #advance(acknowledgement: number, progress: number): void {
    const bytes = Math.min(progress, this.queue.length);
    const { now } = this.#wire;
    this.queue.drop(bytes);
    this.#una = acknowledgement;
    if (after(this.#una, this.#next) > 0) this.#next = this.#una;
    if (progress > bytes) this.#finAcknowledged = true;
    if (this.#timed !== undefined && after(acknowledgement, this.#timed) >= 0) {
      this.#timeout.sample(now - this.#timedSince);
      this.#timed = undefined;
    }
    this.#timeout.relax();
    this.#retries = 0;
    this.#retransmitAt = this.#una === this.#max ? 0 : now + this.#timeout.ms;
    this.#wire.wants(this);
    if (this.#congestion.acknowledged(progress, this.#una)) this.#sendFirstAgain();
    this.application?.sendable();
    if (this.#finAcknowledged) this.#finished();
  }

  /** The guest has all, and knows that it has. */
  #finished(): void {
    if (this.state === 'fin-wait-1') this.state = 'fin-wait-2';
    else if (this.state === 'closing') this.#wait();
    else if (this.state === 'last-ack') this.#end();
  }

  #takeData(segment: Segment): void {
    const { flags, sequence, dataLength } = segment;
    if (dataLength === 0 && (flags & FLAG.FIN) === 0) return;
    if (!this.#receiving) {
      // The guest's FIN came before: nothing follows it but that again.
      this.#acknowledgeNow();
      if (this.state === 'time-wait') this.#wait();
      return;
    }
    if ((flags & FLAG.FIN) !== 0) this.#finAt = (sequence + dataLength) | 0;
    if (after(sequence, this.#expected) > 0) {
      const fits = Math.min(dataLength, after(this.#edge, sequence));
      this.#early.add(sequence, segment.frame.subarray(segment.dataAt, segment.dataAt + fits));
      this.#acknowledgeNow();
      return;
    }
    const old = after(this.#expected, sequence);
    const hole = !this.#early.isEmpty;
    if (dataLength > old) this.#deliver(segment.frame.subarray(segment.dataAt + old, segment.dataAt + dataLength));
    if (hole) this.#deliverEarly();
    this.#acknowledge = true;
    if (this.#finAt !== undefined && this.#expected === this.#finAt) this.#takeFin();
    if (hole) this.#acknowledgeNow();
    else this.#wire.wants(this);
  }

  /** Hands on as much as is in the window and has room. */
  #deliver(bytes: Uint8Array): boolean {
    const fits = Math.min(bytes.length, after(this.#edge, this.#expected));
    const application = this.application;
    if (fits <= 0 || application === undefined || application.room() <= 0) return false;
    this.#expected = (this.#expected + fits) | 0;
    application.received(fits === bytes.length ? bytes : bytes.subarray(0, fits));
    return true;
  }

  #deliverEarly(): void {
    for (let bytes = this.#early.take(this.#expected); bytes !== undefined; bytes = this.#early.take(this.#expected)) {
      if (!this.#deliver(bytes)) return;
    }
  }

  #takeFin(): void {
    this.#expected = (this.#expected + 1) | 0;
    this.#early.clear();
    if (this.state === 'established' || this.state === 'syn-received') this.state = 'close-wait';
    else if (this.state === 'fin-wait-1') this.state = 'closing';
    else if (this.state === 'fin-wait-2') this.#wait();
    this.application?.finished();
  }

  /** Data of the guest is still expected. */
  get #receiving(): boolean {
    return this.state === 'established' || this.state === 'fin-wait-1' || this.state === 'fin-wait-2';
  }

  get #ended(): boolean {
    return this.state === 'closed';
  }

  /** The edge that the window should have: it moves only forward, and only by steps that are worth a segment (RFC 9293 3.8.6.2.2). */
  #edgeToTell(): number {
    const most = this.scaled ? RECEIVE_MAX : 65535;
    const room = Math.max(0, Math.min(most, this.application?.room() ?? 0));
    const edge = (this.#expected + room) | 0;
    const step = after(edge, this.#edge);
    return step >= Math.min(most / 2, 2 * this.mss) ? edge : this.#edge;
  }

  // --- Sending ---

  #acknowledgeNow(): void {
    this.#acknowledge = true;
    this.#transmit(FLAG.ACK, this.#next, 0, 0);
  }

  #transmit(flags: number, sequence: number, offset: number, length: number): boolean {
    if (!this.#wire.transmit(this, flags, sequence, offset, length)) return false;
    this.#acknowledge = false;
    return true;
  }

  /** Sends one segment of what may be sent; false when nothing may. */
  #sendNext(): boolean {
    if (this.#finAcknowledged) return false;
    const flight = after(this.#next, this.#una);
    const unsent = this.queue.length - flight;
    if (unsent < 0) return false;
    const window = Math.min(this.#peerWindow, this.#congestion.window) - flight;
    let length = Math.min(unsent, window, SEGMENT_MAX);
    if (length < unsent && length > this.mss) length -= length % this.mss;
    const last = length === unsent;
    const fin = this.#shut && last;
    if (length <= 0 && !fin) return false;
    // Silly window avoidance (RFC 9293 3.8.6.2.1): no crumbs while an acknowledgement is to come.
    if (!last && length < this.mss && flight > 0) return false;
    const flags = FLAG.ACK | (last && length > 0 ? FLAG.PSH : 0) | (fin ? FLAG.FIN : 0);
    if (!this.#transmit(flags, this.#next, flight, length)) return false;
    this.#sent(length + (fin ? 1 : 0));
    if (fin) this.#sentFin();
    return true;
  }

  #sent(length: number): void {
    const { now } = this.#wire;
    const fresh = this.#next === this.#max;
    this.#next = (this.#next + length) | 0;
    if (after(this.#next, this.#max) > 0) this.#max = this.#next;
    if (this.#retransmitAt === 0) this.#retransmitAt = now + this.#timeout.ms;
    if (fresh && this.#timed === undefined) {
      this.#timed = this.#next;
      this.#timedSince = now;
    }
  }

  #sentFin(): void {
    if (this.state === 'established') this.state = 'fin-wait-1';
    else if (this.state === 'close-wait') this.state = 'last-ack';
  }

  /** The first segment that is not acknowledged, once more. */
  #sendFirstAgain(): void {
    const out = after(this.#max, this.#una);
    const length = Math.min(this.queue.length, this.mss, out);
    const fin = this.#shut && length === this.queue.length && out > length;
    this.#timed = undefined;
    this.#transmit(FLAG.ACK | (fin ? FLAG.FIN : 0), this.#una, 0, length);
  }

  #timedOut(now: number): void {
    if (this.blocked && this.state !== 'syn-sent') {
      // The guest did not get what it could answer.
      this.#retransmitAt = now + this.#timeout.ms;
      return;
    }
    const opening = this.state === 'syn-sent' || this.state === 'syn-received';
    if (++this.#retries > (opening ? SYN_RETRIES_MAX : RETRIES_MAX)) {
      this.#abandoned();
      return;
    }
    this.#timeout.backOff();
    this.#retransmitAt = now + this.#timeout.ms;
    this.#timed = undefined;
    if (opening) this.#synDue = true;
    else {
      this.#congestion.timeout(after(this.#max, this.#una));
      this.#next = this.#una;
    }
    this.flush();
  }

  /** Sees to it that a window that stays closed is asked about (RFC 9293 3.8.6.1). */
  #watchWindow(): void {
    const waiting = this.queue.length > 0 && this.#next === this.#una && this.#peerWindow === 0;
    if (!waiting) this.#probeAt = 0;
    else if (this.#probeAt === 0) this.#probeAt = this.#wire.now + this.#timeout.ms;
  }

  #probe(now: number): void {
    this.#timeout.backOff();
    this.#probeAt = now + this.#timeout.ms;
    this.#timed = undefined;
    if (!this.#transmit(FLAG.ACK, this.#una, 0, 1)) return;
    if (this.#max === this.#una) this.#max = (this.#una + 1) | 0;
  }

  // --- The end ---

  #wait(): void {
    this.state = 'time-wait';
    this.#endAt = this.#wire.now + TIME_WAIT_MS;
    this.#retransmitAt = 0;
  }

  /** The guest has reset the connection, or does not answer. */
  #abandoned(): void {
    const { application } = this;
    this.#end();
    application?.aborted();
  }

  #end(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.queue.clear();
    this.#early.clear();
    this.#retransmitAt = 0;
    this.#probeAt = 0;
    this.#endAt = 0;
    this.#wire.ended(this);
  }
}
