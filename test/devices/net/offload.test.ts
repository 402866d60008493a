/** Checksums and segmentation that somebody left to be done. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GSO, type Offload, PLAIN } from '../../../devices/net/backend.ts';
import { finish, getOffload, NOTHING_LEFT, putOffload, sound } from '../../../devices/net/offload.ts';
import { MAC_A, MAC_B, ethernet, offloadOf, tcpFrame } from './frames.ts';

const ALL = { checksum: true, tcp4: true, tcp6: true, ecn: true };
const bytes = (count: number): number[] => Array.from({ length: count }, (_, i) => (i * 7 + 3) & 255);

function finished(frame: Uint8Array, offload: Offload, takes = NOTHING_LEFT): { frames: string[]; left: Offload[]; bad: number } {
  const frames: string[] = [];
  const left: Offload[] = [];
  let bad = 0;
  const before = frame.slice();
  const emit = (f: Uint8Array, o: Readonly<Offload>): boolean => {
    frames.push(f.join());
    left.push({ ...o });
    return true;
  };
  assert.ok(
    finish(frame, offload, takes, emit, () => {
      bad++;
    }),
  );
  assert.equal(frame, before, 'the frame is not changed');
  return { frames, left, bad };
}

test('a checksum that was left is completed, an odd byte included', () => {
  for (const version of [4, 6] as const) {
    for (const count of [0, 1, 2, 999]) {
      const tcp = { version, sequence: 1, flags: 0x18, payload: bytes(count) };
      const start = version === 4 ? 34 : 54;
      const offload = offloadOf({ checksumNeeded: true, checksumStart: start, checksumOffset: 16 });
      assert.equal(finished(tcpFrame(tcp, true), offload).frames, [tcpFrame(tcp).join()]);
      assert.equal(finished(tcpFrame(tcp, true), offload, ALL), { frames: [tcpFrame(tcp, true).join()], left: [offload], bad: 0 });
    }
  }
});

test('a sum of zero is written as all ones', () => {
  const frame = ethernet(MAC_A, MAC_B, 0x0800, [0xff, 0xff, 0, 0]);
  const [out] = finished(frame, offloadOf({ checksumNeeded: true, checksumStart: 14, checksumOffset: 2 })).frames;
  assert.is(out, ethernet(MAC_A, MAC_B, 0x0800, [0xff, 0xff, 0xff, 0xff]).join());
});

test('a long TCP segment is cut as a sender of short ones would have sent them', () => {
  const payload = bytes(3000);
  for (const version of [4, 6] as const) {
    const start = version === 4 ? 34 : 54;
    const gso = version === 4 ? GSO.TCPV4 : GSO.TCPV6;
    const offload = offloadOf({ checksumNeeded: true, checksumStart: start, checksumOffset: 16, gso, segmentBytes: 1400, ecn: true });
    // FIN PSH ACK CWR; the sequence number wraps.
    const whole = tcpFrame({ version, sequence: 0xffff_fc00, flags: 0x99, payload }, true);
    const expected = [
      tcpFrame({ version, sequence: 0xffff_fc00, flags: 0x90, payload: payload.slice(0, 1400), id: 7 }),
      tcpFrame({ version, sequence: (0xffff_fc00 + 1400) >>> 0, flags: 0x10, payload: payload.slice(1400, 2800), id: 8 }),
      tcpFrame({ version, sequence: (0xffff_fc00 + 2800) >>> 0, flags: 0x19, payload: payload.slice(2800), id: 9 }),
    ];
    assert.equal(
      finished(whole, offload).frames,
      expected.map((f) => f.join()),
    );
    // A receiver that sums itself is told that it need not; one that takes long segments gets it whole.
    assert.ok(finished(whole, offload, { ...NOTHING_LEFT, checksum: true }).left.every((o) => o.checksumValid && !o.checksumNeeded));
    assert.equal(finished(whole, offload, ALL).left, [offload]);
    assert.is(finished(whole, offload, { ...ALL, ecn: false }).frames.length, 3);
    assert.is(finished(whole, offload, { ...ALL, [version === 4 ? 'tcp4' : 'tcp6']: false }).frames.length, 3);
  }
});

test('what cannot be finished is bad, and nothing is emitted', () => {
  const long = tcpFrame({ version: 4, sequence: 1, flags: 0x10, payload: bytes(100) }, true);
  const gso = offloadOf({ checksumNeeded: true, checksumStart: 34, checksumOffset: 16, gso: GSO.TCPV4, segmentBytes: 40 });
  for (const change of [
    { checksumOffset: 200 },
    { checksumStart: 65535, checksumOffset: 65535 },
    { segmentBytes: 0 },
    { gso: GSO.UDP },
    { gso: GSO.TCPV6 },
    { gso: 2 },
    { checksumNeeded: false },
    { gso: GSO.NONE, ecn: true },
  ]) {
    assert.equal(finished(long, { ...gso, ...change }), { frames: [], left: [], bad: 1 }, JSON.stringify(change));
  }
  for (const [at, value] of [
    [12, 0x11],
    [14, 0x41],
    [23, 17],
    [46, 0x10],
  ] as const) {
    const broken = long.slice();
    broken[at] = value;
    assert.equal(finished(broken, gso), { frames: [], left: [], bad: 1 }, `byte ${at} = ${value}`);
  }
  for (let cut = 0; cut < 54; cut++) assert.is(finished(long.slice(0, cut), { ...gso, checksumStart: 0, checksumOffset: 0 }).bad, 1);
});

test('no frame, however it is made, makes it fail', () => {
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let i = 0; i < 20_000; i++) {
    const version = random(2) === 0 ? 4 : 6;
    const frame = tcpFrame({ version, sequence: random(2 ** 32), flags: random(256), payload: bytes(random(40)) }, true);
    for (let k = random(4); k > 0; k--) frame[12 + random(50)] = random(256);
    const offload = offloadOf({
      checksumNeeded: random(4) > 0,
      checksumStart: random(3) === 0 ? random(80) : 34,
      checksumOffset: random(3) === 0 ? random(65536) : 16,
      gso: [0, 1, 4, 1, 4, 3][random(6)] as number,
      segmentBytes: random(30),
    });
    const { frames, bad } = finished(frame.slice(0, random(frame.length + 1)), offload);
    assert.ok(frames.length > 0 || bad === 1 || offload.gso === GSO.NONE);
  }
});

test('a receiver without room for the first piece keeps the frame; the rest of one that had room is lost', () => {
  const frame = tcpFrame({ version: 4, sequence: 1, flags: 0x10, payload: bytes(100) }, true);
  const offload = offloadOf({ checksumNeeded: true, checksumStart: 34, checksumOffset: 16, gso: GSO.TCPV4, segmentBytes: 40 });
  let room = 0;
  const emit = (): boolean => room-- > 0;
  assert.not(finish(frame, offload, NOTHING_LEFT, emit, assert.unreachable));
  room = 2;
  assert.ok(finish(frame, offload, NOTHING_LEFT, emit, assert.unreachable));
  assert.is(room, -1);
});

test('the header of ten bytes keeps everything', () => {
  const view = new DataView(new ArrayBuffer(16));
  const all = {
    checksumNeeded: true,
    checksumValid: true,
    checksumStart: 34,
    checksumOffset: 16,
    gso: 4,
    ecn: true,
    segmentBytes: 1448,
    headerBytes: 66,
  };
  for (const offload of [PLAIN, all]) {
    putOffload(view, 3, offload);
    assert.equal(getOffload(view, 3), { ...offload });
  }
  assert.ok(sound(PLAIN, 0));
});

test.run();
