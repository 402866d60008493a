/**
 * AES-NI, SHA and PCLMULQDQ against the algorithms they are for: whole ciphers and digests of random data by these instructions alone are those of
 * node:crypto, whatever processor the host has.
 *
 * sse-host.test.ts compares each instruction with the host's.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { random } from './simd-values.ts';
import { at, bytes, CPU, core, fresh, memory } from './sse-core.ts';

const X = (n: number): number => at('XMM') + 32 * n;
const set = (n: number, data: Uint8Array): void => bytes.set(data, X(n));
const get = (n: number): Uint8Array => bytes.slice(X(n), X(n) + 16);
/** Instructions by map << 10 | prefix << 8 | opcode, as the operand table has them. */
const run = (op: number, dst: number, src: number, imm = 0): void => core.sseExec(CPU, op, X(dst), X(src), imm, 0);
const AES = { imc: 0x5db, enc: 0x5dc, encLast: 0x5dd, dec: 0x5de, decLast: 0x5df, keyAssist: 0x9df };
const SHA = { rnds4: 0x8cc, nexte: 0x4c8, sha1msg1: 0x4c9, sha1msg2: 0x4ca, rnds2: 0x4cb, sha256msg1: 0x4cc, sha256msg2: 0x4cd };

function randomBytes(n: number): Uint8Array {
  return Uint8Array.from({ length: n }, () => random() & 0xff);
}

test.before.each(fresh);

/** The eleven round keys of AES-128 (FIPS 197 section 5.2). */
function expandKey(key: Uint8Array): Uint8Array[] {
  const keys = [key];
  for (let round = 1, constant = 1; round <= 10; round++, constant = constant & 0x80 ? 0x1b : constant << 1) {
    const last = new DataView((keys.at(-1) as Uint8Array).slice().buffer);
    set(1, new Uint8Array(last.buffer));
    run(AES.keyAssist, 0, 1, constant);
    let word = memory.getUint32(X(0) + 12, true);
    for (let i = 0; i < 16; i += 4) {
      word ^= last.getUint32(i, true);
      last.setUint32(i, word, true);
    }
    keys.push(new Uint8Array(last.buffer));
  }
  return keys;
}

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, i) => byte ^ (b[i] as number));

test('AES-128 by AESENC, and back by AESDEC, is AES-128', () => {
  for (let n = 0; n < 200; n++) {
    const [key, block] = [randomBytes(16), randomBytes(16)];
    const keys = expandKey(key);
    const round = (op: number, roundKey: Uint8Array): void => {
      set(1, roundKey);
      run(op, 0, 1);
    };
    set(0, xor(block, keys[0] as Uint8Array));
    for (let i = 1; i < 10; i++) round(AES.enc, keys[i] as Uint8Array);
    round(AES.encLast, keys[10] as Uint8Array);
    const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
    assert.equal([...get(0)], [...cipher.update(block)]);
    // The equivalent inverse cipher (FIPS 197 section 5.3.5).
    set(0, xor(get(0), keys[10] as Uint8Array));
    for (let i = 9; i > 0; i--) {
      set(2, keys[i] as Uint8Array);
      run(AES.imc, 1, 2);
      run(AES.dec, 0, 1);
    }
    round(AES.decLast, keys[0] as Uint8Array);
    assert.equal([...get(0)], [...block]);
  }
});

/** One block with the padding of FIPS 180-4 section 5.1.1, as sixteen words. */
function padded(message: Uint8Array): number[] {
  const block = new DataView(new ArrayBuffer(64));
  message.forEach((byte, i) => {
    block.setUint8(i, byte);
  });
  block.setUint8(message.length, 0x80);
  block.setUint32(60, message.length * 8);
  return Array.from({ length: 16 }, (_, i) => block.getUint32(4 * i));
}
/** Words to lanes, the first in lane 3 (SHA-1) or lane 0 (SHA-256). */
const lanes = (words: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer);
const hex = (words: readonly number[]): string => words.map((w) => (w >>> 0).toString(16).padStart(8, '0')).join('');
const words = (n: number): number[] => Array.from({ length: 4 }, (_, i) => memory.getUint32(X(n) + 4 * i, true));

/** Fractional parts of roots of the first primes (FIPS 180-4 sections 4.2.2 and 5.3.3). */
function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((p) => n % p)) found.push(n);
  return found;
}
function fractionalRoot(p: number, power: bigint): number {
  const target = BigInt(p) << (32n * power);
  let root = 0n;
  for (let bit = 1n << 40n; bit > 0n; bit >>= 1n) if ((root + bit) ** power <= target) root += bit;
  return Number(root & 0xffffffffn);
}

test('SHA-1 by its instructions is SHA-1', () => {
  const H = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  for (let n = 0; n < 56; n++) {
    const message = randomBytes(n);
    const w = padded(message);
    const schedule: Uint8Array[] = [0, 4, 8, 12].map((i) => lanes(w.slice(i, i + 4).reverse()));
    for (let i = 4; i < 20; i++) {
      set(0, schedule[i - 4] as Uint8Array);
      set(1, schedule[i - 3] as Uint8Array);
      run(SHA.sha1msg1, 0, 1);
      set(0, xor(get(0), schedule[i - 2] as Uint8Array));
      set(1, schedule[i - 1] as Uint8Array);
      run(SHA.sha1msg2, 0, 1);
      schedule.push(get(0));
    }
    // ABCD in register 3, E in lane 3 of register 4.
    set(3, lanes(H.slice(0, 4).reverse()));
    set(4, lanes([0, 0, 0, H[4] as number]));
    for (let i = 0; i < 20; i++) {
      const abcd = get(3);
      set(5, schedule[i] as Uint8Array);
      // The first E is added as it is, later ones are A of four rounds ago, rotated.
      if (i === 0) {
        const sum = words(5);
        sum[3] = (sum[3] as number) + (H[4] as number);
        set(4, lanes(sum));
      } else run(SHA.nexte, 4, 5);
      run(SHA.rnds4, 3, 4, Math.floor(i / 5));
      set(4, abcd);
    }
    set(5, lanes([0, 0, 0, H[4] as number]));
    run(SHA.nexte, 4, 5);
    const e = words(4)[3] as number;
    const digest = words(3)
      .reverse()
      .map((x, i) => x + (H[i] as number));
    assert.is(hex([...digest, e]), createHash('sha1').update(message).digest('hex'));
  }
});

test('SHA-256 by its instructions is SHA-256', () => {
  const H = primes(8).map((p) => fractionalRoot(p, 2n)) as [number, number, number, number, number, number, number, number];
  const K = primes(64).map((p) => fractionalRoot(p, 3n));
  const add = (a: Uint8Array, b: Uint8Array): Uint8Array => {
    const [x, y] = [new Uint32Array(a.slice().buffer), new Uint32Array(b.slice().buffer)];
    return lanes([...x].map((v, i) => v + (y[i] as number)));
  };
  for (let n = 0; n < 56; n++) {
    const message = randomBytes(n);
    const w = padded(message);
    const schedule: Uint8Array[] = [0, 4, 8, 12].map((i) => lanes(w.slice(i, i + 4)));
    for (let i = 4; i < 16; i++) {
      set(1, schedule[i - 4] as Uint8Array);
      set(2, schedule[i - 3] as Uint8Array);
      run(SHA.sha256msg1, 1, 2);
      // W(t-7): lanes 1 to 3 of one group and lane 0 of the next.
      const seven = [
        ...new Uint32Array((schedule[i - 2] as Uint8Array).slice().buffer),
        ...new Uint32Array((schedule[i - 1] as Uint8Array).slice().buffer),
      ];
      set(1, add(get(1), lanes(seven.slice(1, 5))));
      set(2, schedule[i - 1] as Uint8Array);
      run(SHA.sha256msg2, 1, 2);
      schedule.push(get(1));
    }
    // FEBA and HGDC, from the low lane.
    set(1, lanes([H[5], H[4], H[1], H[0]]));
    set(2, lanes([H[7], H[6], H[3], H[2]]));
    for (let i = 0; i < 16; i++) {
      const sum = add(schedule[i] as Uint8Array, lanes(K.slice(4 * i, 4 * i + 4)));
      for (const wk of [sum, Uint8Array.of(...sum.slice(8), ...sum.slice(0, 8))]) {
        set(0, wk);
        const feba = get(1);
        run(SHA.rnds2, 2, 1);
        set(1, get(2));
        set(2, feba);
      }
    }
    const [f, e, b, a] = words(1) as [number, number, number, number];
    const [h, g, d, c] = words(2) as [number, number, number, number];
    assert.is(hex([a, b, c, d, e, f, g, h].map((x, i) => x + (H[i] as number))), createHash('sha256').update(message).digest('hex'));
  }
});

test('PCLMULQDQ multiplies the chosen quadwords without carries', () => {
  const carryless = (a: bigint, b: bigint): bigint => {
    let product = 0n;
    for (let i = 0n; i < 64n; i++) if ((b >> i) & 1n) product ^= a << i;
    return product;
  };
  for (let n = 0; n < 500; n++) {
    // All ones have the most carries.
    const data = n < 4 ? new Uint8Array(32).fill(0xff) : randomBytes(32);
    const quads = new BigUint64Array(data.buffer);
    for (const imm of [0, 1, 0x10, 0x11, 0xee]) {
      set(0, data.subarray(0, 16));
      set(1, data.subarray(16));
      run(0x944, 0, 1, imm);
      const want = carryless(quads[imm & 1] as bigint, quads[2 + ((imm >> 4) & 1)] as bigint);
      assert.is(memory.getBigUint64(X(0), true) | (memory.getBigUint64(X(0) + 8, true) << 64n), want);
    }
  }
});

test.run();
