/**
 * Frames for tests, with checksums by a second hand: one word after the other, straight from RFC 1071.
 *
 * @module
 */
import { PLAIN, type NetBackend, NOBODY, type Offload } from '../../../devices/net/backend.ts';

export const MAC_A = Uint8Array.of(0x52, 0x54, 0, 0, 0, 1);
export const MAC_B = Uint8Array.of(0x52, 0x54, 0, 0, 0, 2);

export function checksum(bytes: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += (bytes[i] as number) * 256 + (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return 0xffff - sum;
}

export const be16 = (n: number): number[] => [(n >> 8) & 255, n & 255];
export const be32 = (n: number): number[] => [...be16(n >>> 16), ...be16(n & 0xffff)];

export function ethernet(to: Uint8Array, from: Uint8Array, type: number, body: readonly number[]): Uint8Array {
  return Uint8Array.from([...to, ...from, ...be16(type), ...body]);
}

export const ipv4Header = (total: number, id: number, from: readonly number[], to: readonly number[], protocol = 6): number[] => {
  const header = [0x45, 0, ...be16(total), ...be16(id), 0x40, 0, 64, protocol, 0, 0, ...from, ...to];
  header.splice(10, 2, ...be16(checksum(header)));
  return header;
};

export interface Tcp {
  readonly version: 4 | 6;
  readonly sequence: number;
  readonly flags: number;
  readonly payload: readonly number[];
  readonly id?: number;
}

const FROM4 = [10, 0, 2, 15];
const TO4 = [10, 0, 2, 2];
const FROM6 = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const TO6 = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/** A TCP segment with all sums; `partial`: with the pseudo header's sum where TCP's belongs, as a driver leaves it. */
export function tcpFrame({ version, sequence, flags, payload, id = 7 }: Tcp, partial = false): Uint8Array {
  const length = 20 + payload.length;
  const tcp = [...be16(1000), ...be16(80), ...be32(sequence), ...be32(99), 0x50, flags, ...be16(500), 0, 0, 0, 0, ...payload];
  const pseudo = version === 4 ? [...FROM4, ...TO4, 0, 6, ...be16(length)] : [...FROM6, ...TO6, ...be32(length), 0, 0, 0, 6];
  const sum = partial ? 0xffff - checksum(pseudo) : checksum([...pseudo, ...tcp]) || 0xffff;
  tcp.splice(16, 2, ...be16(sum));
  const ip = version === 4 ? ipv4Header(20 + length, id, FROM4, TO4) : [0x60, 0, 0, 0, ...be16(length), 6, 64, ...FROM6, ...TO6];
  return ethernet(MAC_B, MAC_A, version === 4 ? 0x0800 : 0x86dd, [...ip, ...tcp]);
}

export function offloadOf(change: Partial<Offload>): Offload {
  return { ...PLAIN, ...change };
}

/** A back end that notes what it is sent and gives what the test offers. */
export class FakeBackend implements NetBackend {
  receiver = NOBODY;
  readonly sent: { readonly frame: Uint8Array; readonly offload: Offload }[] = [];
  readonly waiting: { readonly frame: Uint8Array; readonly offload: Offload }[] = [];

  send(frame: Uint8Array, offload: Readonly<Offload>): void {
    this.sent.push({ frame: frame.slice(), offload: { ...offload } });
  }

  /** A frame for the guest, now or as soon as there is room. */
  offer(frame: Uint8Array, offload: Readonly<Offload> = PLAIN): void {
    this.waiting.push({ frame, offload: { ...offload } });
    this.ready();
  }

  ready(): void {
    while (this.waiting.length > 0) {
      const [first] = this.waiting as [(typeof this.waiting)[0]];
      if (!this.receiver(first.frame, first.offload)) return;
      this.waiting.shift();
    }
  }

  close(): void {}
}
