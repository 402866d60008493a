/**
 * The SHA extensions: SHA1RNDS4, SHA1NEXTE, SHA1MSG1, SHA1MSG2, SHA256RNDS2, SHA256MSG1, SHA256MSG2.
 *
 * Specification: SDM vol. 2 (each instruction); FIPS 180-4 for the functions. Lanes count from the low doubleword, so what the SDM calls
 * A of SRC[127:96] is lane 3. All read their operands before they write.
 */

// @ts-ignore: decorator
@inline
function lane(at: usize, n: usize): u32 {
  return load<u32>(at + (n << 2));
}

// @ts-ignore: decorator
@inline
function put(dst: usize, lane0: u32, lane1: u32, lane2: u32, lane3: u32): void {
  v128.store(dst, i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(lane0), 1, lane1), 2, lane2), 3, lane3));
}

// @ts-ignore: decorator
@inline
function choose(x: u32, y: u32, z: u32): u32 {
  return (x & y) ^ (~x & z);
}
// @ts-ignore: decorator
@inline
function majority(x: u32, y: u32, z: u32): u32 {
  return (x & y) ^ (x & z) ^ (y & z);
}

/** Round constants of SHA-1 (FIPS 180-4 section 4.2.1), one for each group of twenty rounds. */
const SHA1_K: usize = memory.data<u32>([0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6]);

/** SHA1RNDS4: four rounds with the function and constant of group imm 1:0. E of the first is in the message's lane 3 already. */
export function sha1Rounds(dst: usize, src: usize, imm: u32): void {
  const group = imm & 3;
  const k = load<u32>(SHA1_K + (group << 2));
  let a = lane(dst, 3);
  let b = lane(dst, 2);
  let c = lane(dst, 1);
  let d = lane(dst, 0);
  let e: u32 = 0;
  for (let i: usize = 0; i < 4; i++) {
    const f = group == 0 ? choose(b, c, d) : group == 2 ? majority(b, c, d) : b ^ c ^ d;
    const next = f + rotl<u32>(a, 5) + lane(src, 3 - i) + e + k;
    e = d;
    d = c;
    c = rotl<u32>(b, 30);
    b = a;
    a = next;
  }
  put(dst, d, c, b, a);
}

/** SHA1NEXTE: E after four rounds, added to the message's lane 3. */
export function sha1NextE(dst: usize, src: usize): void {
  put(dst, lane(src, 0), lane(src, 1), lane(src, 2), lane(src, 3) + rotl<u32>(lane(dst, 3), 30));
}

/** SHA1MSG1: W(t-16) xor W(t-14). */
export function sha1Message1(dst: usize, src: usize): void {
  const a = v128.load(dst);
  v128.store(dst, v128.xor(a, i64x2.shuffle(a, v128.load(src), 3, 0)));
}

/** SHA1MSG2: the last step of the schedule, in which the fourth word depends on the first. */
export function sha1Message2(dst: usize, src: usize): void {
  const w16 = rotl<u32>(lane(dst, 3) ^ lane(src, 2), 1);
  const w17 = rotl<u32>(lane(dst, 2) ^ lane(src, 1), 1);
  const w18 = rotl<u32>(lane(dst, 1) ^ lane(src, 0), 1);
  put(dst, rotl<u32>(lane(dst, 0) ^ w16, 1), w18, w17, w16);
}

/** SHA256RNDS2: two rounds; C D G H in `dst`, A B E F in `src`, message plus constant in lanes 0 and 1 of `wk`, which is XMM0. */
export function sha256Rounds(dst: usize, src: usize, wk: usize): void {
  let a = lane(src, 3);
  let b = lane(src, 2);
  let c = lane(dst, 3);
  let d = lane(dst, 2);
  let e = lane(src, 1);
  let f = lane(src, 0);
  let g = lane(dst, 1);
  let h = lane(dst, 0);
  for (let i: usize = 0; i < 2; i++) {
    const sum1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
    const sum0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
    const t = choose(e, f, g) + sum1 + lane(wk, i) + h;
    const next = t + majority(a, b, c) + sum0;
    h = g;
    g = f;
    f = e;
    e = t + d;
    d = c;
    c = b;
    b = a;
    a = next;
  }
  put(dst, f, e, b, a);
}

// @ts-ignore: decorator
@inline
function sigma0(x: u32): u32 {
  return rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >> 3);
}
// @ts-ignore: decorator
@inline
function sigma1(x: u32): u32 {
  return rotr<u32>(x, 17) ^ rotr<u32>(x, 19) ^ (x >> 10);
}

/** SHA256MSG1: W(t-16) + sigma0(W(t-15)). */
export function sha256Message1(dst: usize, src: usize): void {
  put(
    dst, lane(dst, 0) + sigma0(lane(dst, 1)), lane(dst, 1) + sigma0(lane(dst, 2)), lane(dst, 2) + sigma0(lane(dst, 3)),
    lane(dst, 3) + sigma0(lane(src, 0)),
  );
}

/** SHA256MSG2: adds sigma1(W(t-2)); the last two words depend on the first two. */
export function sha256Message2(dst: usize, src: usize): void {
  const w16 = lane(dst, 0) + sigma1(lane(src, 2));
  const w17 = lane(dst, 1) + sigma1(lane(src, 3));
  put(dst, w16, w17, lane(dst, 2) + sigma1(w16), lane(dst, 3) + sigma1(w17));
}
