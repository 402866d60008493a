/**
 * A guest's TCP, written apart from the stack's: slow and plain. Everything from the first unacknowledged byte on is sent again after a timeout, or
 * after three duplicate acknowledgements.
 */
import { ACK, FIN, GATEWAY, GUEST, PSH, RST, type Seen, SYN, seeTcp, tcp, type TcpFields } from './guest.ts';

export interface GuestTcpOptions {
  readonly port: number;
  readonly targetPort: number;
  readonly target?: number;
  /** Most bytes of the receive window. */
  readonly window?: number;
  readonly mss?: number;
  /** Window scale; not offered when undefined. */
  readonly shift?: number;
  /** Most bytes of a segment that is sent: more than the MSS is left to be cut. */
  readonly burst?: number;
  readonly first?: number;
  readonly send: (frame: Uint8Array, segmentBytes: number) => void;
}

const RTO_MS = 300;
const diff = (a: number, b: number): number => (a - b) | 0;

export class GuestTcp {
  readonly options: Required<Omit<GuestTcpOptions, 'shift'>> & { shift: number | undefined };
  state: 'closed' | 'syn-sent' | 'listen' | 'syn-received' | 'open' = 'closed';
  /** What came, in order. */
  readonly received: Uint8Array[] = [];
  receivedBytes = 0;
  /** The other side has sent its FIN, or a reset. */
  finished = false;
  resets = 0;
  /** All that was given to `write`, and the FIN, is acknowledged. */
  acknowledged = false;
  duplicates = 0;
  /** Bytes of the window that are not free: the reader is slow. */
  unread = 0;
  /** Reads by itself. */
  reading = true;
  peerWindow = 0;
  mssOfPeer = 536;
  #peerShift = 0;
  #una: number;
  #next: number;
  #max: number;
  #expected = 0;
  #data = new Uint8Array(0);
  #ended = false;
  #early = new Map<number, { data: Uint8Array; fin: boolean }>();
  #timer = 0;
  #now = 0;
  #same = 0;

  constructor(options: GuestTcpOptions) {
    const { window = 65535, mss = 1460, burst = mss, target = GATEWAY, first = 1000, shift } = options;
    this.options = { ...options, window, mss, burst, target, first, shift };
    this.#una = first | 0;
    this.#next = this.#una;
    this.#max = this.#una;
  }

  /** The next sequence number that it expects, as it stands in a header. */
  get expected(): number {
    return this.#expected >>> 0;
  }

  connect(): void {
    this.state = 'syn-sent';
    this.#emit(SYN, this.#una);
    this.#next = (this.#una + 1) | 0;
    this.#max = this.#next;
    this.#timer = this.#now + RTO_MS;
  }

  listen(): void {
    this.state = 'listen';
  }

  write(data: Uint8Array): void {
    const joined = new Uint8Array(this.#data.length + data.length);
    joined.set(this.#data);
    joined.set(data, this.#data.length);
    this.#data = joined;
    this.#push();
  }

  end(): void {
    this.#ended = true;
    this.#push();
  }

  reset(): void {
    this.#emit(RST | ACK, this.#next);
    this.state = 'closed';
  }

  /** The application reads what waits. */
  read(bytes = this.unread): void {
    this.unread -= Math.min(bytes, this.unread);
    this.#emit(ACK, this.#next);
  }

  /** Whether the segment is this connection's; then it is taken. */
  handle(seen: Seen): boolean {
    if (seen.protocol !== 6) return false;
    const segment = seeTcp(seen);
    if (segment.targetPort !== this.options.port) return false;
    if (this.state !== 'listen' && segment.sourcePort !== this.options.targetPort) return false;
    this.input(segment);
    return true;
  }

  input(segment: Required<TcpFields>): void {
    if ((segment.flags & RST) !== 0) {
      this.resets++;
      this.state = 'closed';
      return;
    }
    if (this.state === 'listen' && (segment.flags & SYN) !== 0) {
      (this.options as { targetPort: number }).targetPort = segment.sourcePort;
      this.#takeSyn(segment);
      this.state = 'syn-received';
      this.#emit(SYN | ACK, this.#una);
      this.#next = (this.#una + 1) | 0;
      this.#max = this.#next;
      this.#timer = this.#now + RTO_MS;
      return;
    }
    if (this.state === 'closed' || this.state === 'listen') return;
    if (this.state === 'syn-sent') {
      if ((segment.flags & (SYN | ACK)) !== (SYN | ACK) || (segment.acknowledgement | 0) !== this.#max) return;
      this.#takeSyn(segment);
      this.#open(segment);
      this.#emit(ACK, this.#next);
      return;
    }
    if ((segment.flags & SYN) !== 0) {
      this.#emit(ACK, this.#next);
      return;
    }
    if (this.state === 'syn-received') this.#open(segment);
    this.#takeAck(segment);
    this.#takeData(segment.sequence | 0, segment.data, (segment.flags & FIN) !== 0);
  }

  #takeSyn(segment: Required<TcpFields>): void {
    this.#expected = (segment.sequence + 1) | 0;
    const { options } = segment;
    if (options[0] === 2) this.mssOfPeer = (options[2] << 8) | options[3];
    const at = options.indexOf(3);
    if (at > 0 && this.options.shift !== undefined) this.#peerShift = options[at + 2];
  }

  #open(segment: Required<TcpFields>): void {
    this.state = 'open';
    this.#una = segment.acknowledgement | 0;
    this.#timer = 0;
    this.peerWindow = (segment.flags & SYN) !== 0 ? segment.window : segment.window << this.#peerShift;
    this.#push();
  }

  #takeAck(segment: Required<TcpFields>): void {
    const ack = segment.acknowledgement | 0;
    const window = segment.window << this.#peerShift;
    const progress = diff(ack, this.#una);
    if (progress > 0 && diff(ack, this.#max) <= 0) {
      const bytes = Math.min(progress, this.#data.length);
      this.#data = this.#data.subarray(bytes);
      if (progress > bytes) this.acknowledged = true;
      this.#una = ack;
      if (diff(this.#next, ack) < 0) this.#next = ack;
      this.#timer = ack === this.#max ? 0 : this.#now + RTO_MS;
      this.#same = 0;
    } else if (progress === 0 && segment.data.length === 0 && window === this.peerWindow && this.#una !== this.#max) {
      this.duplicates++;
      if (++this.#same === 3) this.#next = this.#una;
    }
    if (progress >= 0) this.peerWindow = window;
    this.#push();
  }

  #takeData(sequence: number, data: Uint8Array, fin: boolean): void {
    if (data.length === 0 && !fin) return;
    if (diff(sequence, this.#expected) > 0) this.#early.set(sequence, { data: data.slice(), fin });
    else this.#accept(sequence, data, fin);
    for (const [at, { data: early, fin: last }] of [...this.#early].sort(([a], [b]) => diff(a, b))) {
      if (diff(at, this.#expected) > 0) break;
      this.#early.delete(at);
      this.#accept(at, early, last);
    }
    this.#emit(ACK, this.#next);
  }

  #accept(sequence: number, data: Uint8Array, fin: boolean): void {
    const old = diff(this.#expected, sequence);
    const room = this.options.window - this.unread;
    if (old < 0 || this.finished) return;
    const fresh = data.slice(old, old + room);
    if (fresh.length > 0) {
      this.received.push(fresh);
      this.receivedBytes += fresh.length;
      this.#expected = (this.#expected + fresh.length) | 0;
      if (!this.reading) this.unread += fresh.length;
    }
    if (fin && diff(this.#expected, sequence) === data.length) {
      this.#expected = (this.#expected + 1) | 0;
      this.finished = true;
    }
  }

  tick(now: number): void {
    this.#now = now;
    if (this.#timer === 0 || now < this.#timer) return;
    this.#timer = now + RTO_MS;
    if (this.state === 'syn-sent') this.#emit(SYN, this.#una);
    else if (this.state === 'syn-received') this.#emit(SYN | ACK, this.#una);
    else {
      this.#next = this.#una;
      this.#push(true);
    }
  }

  /** Sends what the window lets through; `probe`: one byte at least. */
  #push(probe = false): void {
    if (this.state !== 'open') return;
    for (;;) {
      const out = diff(this.#next, this.#una);
      const left = this.#data.length - out;
      const window = Math.max(this.peerWindow, probe && out === 0 ? 1 : 0) - out;
      const length = Math.min(left, window, this.options.burst);
      const fin = this.#ended && length === left && !this.acknowledged;
      if (left < 0 || length < 0 || (length === 0 && !fin)) break;
      this.#emit(ACK | (fin ? FIN : 0) | PSH, this.#next, this.#data.subarray(out, out + length));
      this.#next = (this.#next + length + (fin ? 1 : 0)) | 0;
      if (diff(this.#next, this.#max) > 0) this.#max = this.#next;
    }
    if (this.#timer === 0 && (this.#una !== this.#max || this.#data.length > 0)) this.#timer = this.#now + RTO_MS;
  }

  #emit(flags: number, sequence: number, data = new Uint8Array(0)): void {
    const { port, targetPort, target, mss, shift, window, send } = this.options;
    const syn = (flags & SYN) !== 0;
    const options = syn ? [2, 4, mss >> 8, mss & 255, ...(shift === undefined ? [] : [1, 3, 3, shift])] : [];
    const free = Math.max(0, window - this.unread);
    const told = Math.min(65535, syn ? free : free >> (shift ?? 0));
    const offload = data.length > mss;
    const fields = { sourcePort: port, targetPort, sequence: sequence >>> 0, acknowledgement: flags & ACK ? this.#expected >>> 0 : 0 };
    send(tcp(GUEST, target, { ...fields, flags, window: told, options, data }, offload), offload ? mss : 0);
  }
}
