/**
 * The NIC for the fuzzer: frames both ways with what may be left to be done to them, and commands on the control queue.
 *
 * @module
 */
import { GSO, type NetBackend, NOBODY, type Offload } from '../../../devices/net/backend.ts';
import { finish, NOTHING_LEFT } from '../../../devices/net/offload.ts';
import { VirtioNet } from '../../../devices/virtio/net.ts';
import type { FakeClock } from '../../devices/fake.ts';
import type { Buffer } from '../../devices/virtio/board.ts';
import { BUFFERS_AT, Finding, type GuardedMemory } from './guarded.ts';
import type { Random, Target } from './targets.ts';

const MAC = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
const CONTROL = 2;
const FRAME_AT = BUFFERS_AT + 0x100;

/** Bytes that begin as an IPv4 or IPv6 packet with TCP does, more or less. */
function frame(random: Random, bytes: Uint8Array): Uint8Array {
  for (let i = 0; i < Math.min(bytes.length, 64); i++) bytes[i] = random(256);
  const six = random(2) === 0;
  if (random(4) > 0) bytes.set(MAC);
  if (bytes.length > 54) {
    bytes.set(six ? [0x86, 0xdd, 0x60] : [0x08, 0x00, 0x45], 12);
    bytes[six ? 20 : 23] = 6;
    bytes[six ? 66 : 46] = 0x50;
  }
  return bytes;
}

export function net(memory: GuardedMemory, first: FakeClock, random: Random): Target {
  let waiting: Uint8Array | undefined;
  const backend: NetBackend = {
    receiver: NOBODY,
    send(sent, left) {
      if (left.checksumNeeded && left.checksumStart + left.checksumOffset + 2 > sent.length)
        throw new Finding('a checksum outside the frame');
      // As a back end that needs plain frames does.
      finish(
        sent,
        left,
        NOTHING_LEFT,
        (plain) => {
          if (plain.length > sent.length) throw new Finding('a segment is longer than what it was cut from');
          return true;
        },
        () => {},
      );
    },
    ready() {
      if (waiting !== undefined && this.receiver(waiting, offload())) waiting = undefined;
    },
    close() {},
  };
  const offload = (): Offload => ({
    checksumNeeded: random(2) === 0,
    checksumValid: random(2) === 0,
    checksumStart: 34,
    checksumOffset: 16,
    gso: [GSO.NONE, GSO.TCPV4, GSO.TCPV6][random(3)] as number,
    ecn: false,
    segmentBytes: random(2) === 0 ? 1448 : random(100),
    headerBytes: 54,
  });
  const again = (clock: FakeClock): VirtioNet => new VirtioNet({ memory, clock, backend, mac: MAC });
  const toSend = (): readonly Buffer[] => {
    const length = 14 + random(0x400);
    frame(random, memory.bytes.subarray(FRAME_AT, FRAME_AT + length));
    memory.bytes.fill(0, BUFFERS_AT, BUFFERS_AT + 12);
    if (random(3) === 0)
      memory.bytes.set([random(2), [0, 1, 4, 0x81][random(4)] as number, random(128), 0, random(256), 5, 34, 0, 16, 0], BUFFERS_AT);
    const cut = random(length);
    return [
      { gpa: BUFFERS_AT, length: 12 },
      { gpa: FRAME_AT, length: cut },
      { gpa: FRAME_AT + cut, length: length - cut },
    ];
  };
  const command = (): readonly Buffer[] => {
    memory.bytes.set([random(6), random(6), random(4), random(2)], BUFFERS_AT);
    return [
      { gpa: BUFFERS_AT, length: 2 },
      { gpa: BUFFERS_AT + 2, length: [1, 2, 6, 8, 100][random(5)] as number },
      { gpa: BUFFERS_AT + 0x80, length: 1, write: true },
    ];
  };
  return {
    device: again(first),
    features: [
      [0, 1, 2, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21, 23],
      [0, 1, 5, 7, 11, 15],
      [5, 15, 16],
      [17, 18, 23],
    ][random(4)] as number[],
    request(queue) {
      if (queue === CONTROL) return command();
      if (queue === 1) return toSend();
      return [{ gpa: FRAME_AT, length: [12, 100, 1526, 0x1000][random(4)] as number, write: true }];
    },
    sound() {
      frame(random, memory.bytes.subarray(FRAME_AT, FRAME_AT + 60));
      memory.bytes.fill(0, BUFFERS_AT, BUFFERS_AT + 12);
      return {
        queue: 1,
        buffers: [
          { gpa: BUFFERS_AT, length: 12 },
          { gpa: FRAME_AT, length: 60 },
        ],
      };
    },
    outside() {
      if (waiting === undefined) waiting = frame(random, new Uint8Array(14 + (random(4) === 0 ? random(60_000) : random(1500))));
      backend.ready();
    },
    again,
  };
}
