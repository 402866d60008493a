/**
 * The operand table of AVX, AVX2, FMA, F16C and of AES and PCLMULQDQ under VEX: what an opcode takes and needs, for `vex.ts` and `avx.ts`.
 *
 * Specification: SDM vol. 2 chapters 3 to 5 (the VEX lines of each instruction), section 2.4 (exception classes). Rows are opcodes; columns are
 * the prefix that pp stands for, of which the maps 0F38 and 0F3A use 66 alone.
 *
 * Most of these instructions are the SSE instruction of the same opcode, on each 128-bit lane, with the first source in vvvv. The shape says
 * how the lanes come together; what an instruction does is in `sse.ts` then, and in `avx.ts` where SSE has none like it.
 */

/** How an instruction is put together (avx.ts): bits 4:0. */
export const VEX_SHAPE: u32 = 31;
/** The whole vector, from r/m or to it. */
export const SHAPE_LOAD: u32 = 1;
export const SHAPE_STORE: u32 = 2;
/** Integers, two sources (or one), lane by lane: a function of values. */
export const SHAPE_PACKED: u32 = 3;
/** The SSE instruction lane by lane: of one source; of two, the first copied. */
export const SHAPE_UNARY: u32 = 4;
export const SHAPE_BINARY: u32 = 5;
/** As BINARY, with the low 128 bits of r/m for both lanes. */
export const SHAPE_SHIFT: u32 = 6;
/** Shift by an immediate: vvvv is the destination, reg a part of the opcode. */
export const SHAPE_GROUP: u32 = 7;
/** The result is wider than the source, or half as wide. */
export const SHAPE_WIDEN: u32 = 8;
export const SHAPE_NARROW: u32 = 9;
/** VMOVSS and VMOVSD: two registers are merged, memory is loaded or stored. */
export const SHAPE_SCALAR: u32 = 10;
/** From reg to r/m, a part of the register: memory, a general register, or an XMM register whose rest is cleared. */
export const SHAPE_PART: u32 = 11;
/** From r/m to a general register. */
export const SHAPE_TO_GPR: u32 = 12;
/** Nothing is written but flags, and what PCMPxSTRx has for its results. */
export const SHAPE_FLAGS: u32 = 13;
/** Sign bits to a general register. */
export const SHAPE_SIGNS: u32 = 14;
export const SHAPE_COMPARE: u32 = 15;
/** AVX's own: reg from vvvv and r/m, by opcode. */
export const SHAPE_OWN: u32 = 16;
export const SHAPE_TEST: u32 = 17;
/** The mask is the register in bits 7:4 of the immediate. */
export const SHAPE_BLEND: u32 = 18;
export const SHAPE_EXTRACT: u32 = 19;
export const SHAPE_DOT: u32 = 20;
export const SHAPE_FMA: u32 = 21;
/** VCVTPH2PS, VCVTPS2PH. */
export const SHAPE_FROM_HALF: u32 = 22;
export const SHAPE_TO_HALF: u32 = 23;
/** VLDMXCSR, VSTMXCSR. */
export const SHAPE_MXCSR: u32 = 24;
/** From here on the instruction sees to its memory by itself. */
export const SHAPE_MASK_LOAD: u32 = 25;
export const SHAPE_MASK_STORE: u32 = 26;
export const SHAPE_MASK_BYTES: u32 = 27;
export const SHAPE_GATHER: u32 = 28;
export const SHAPE_ZERO: u32 = 29;

/** Bytes of the r/m operand in memory, a rule in bits 8:5: the vector, a half, a quarter, an eighth of it; 1 to 16; by W; VMOVDDUP's. */
export const VEX_SIZE_SHIFT: u32 = 5;
export const VEX_SIZE: u32 = 15 << 5;
const HALF: u32 = 1 << 5;
const QUARTER: u32 = 2 << 5;
const EIGHTH: u32 = 3 << 5;
const B1: u32 = 4 << 5;
const B2: u32 = 5 << 5;
const B4: u32 = 6 << 5;
const B8: u32 = 7 << 5;
const B16: u32 = 8 << 5;
const BW: u32 = 9 << 5;
const BDUP: u32 = 10 << 5;

/** L in bits 10:9: as it is, must be 0, must be 1, ignored. */
export const VEX_L_SHIFT: u32 = 9;
export const VEX_L: u32 = 3 << 9;
const L0: u32 = 1 << 9;
const L1: u32 = 2 << 9;
const LIG: u32 = 3 << 9;

/** W in bits 12:11: as it is or ignored, must be 0, must be 1, counts in 64-bit code only. */
export const VEX_W_SHIFT: u32 = 11;
export const VEX_W: u32 = 3 << 11;
const W0: u32 = 1 << 11;
const W1: u32 = 2 << 11;
const WG: u32 = 3 << 11;

/** vvvv is an operand; it is one in the register form only. Where it is none it must be 1111. */
export const VEX_NDS: u32 = 1 << 13;
export const VEX_NDS_REG: u32 = 1 << 22;
/** Memory only, register only. */
export const VEX_MEM: u32 = 1 << 14;
export const VEX_REG: u32 = 1 << 15;
export const VEX_IMM8: u32 = 1 << 16;
/** A memory operand that is not aligned by its size is #GP(0). */
export const VEX_ALIGNED: u32 = 1 << 17;
/** Memory is written. */
export const VEX_STORE: u32 = 1 << 18;
/** r/m is a general register when it is one. */
export const VEX_GPR: u32 = 1 << 23;

/** What CPUID must have: bits 21:19. */
export const VEX_NEED_SHIFT: u32 = 19;
export const VEX_NEED: u32 = 7 << 19;
export const NEED_AVX: u32 = 0;
/** AVX, and for 256 bits AVX2. */
export const NEED_AVX2_WIDE: u32 = 1;
export const NEED_AVX2: u32 = 2;
/** AVX, and for the register form AVX2. */
export const NEED_AVX2_REG: u32 = 3;
export const NEED_AES: u32 = 4;
export const NEED_PCLMULQDQ: u32 = 5;
export const NEED_FMA: u32 = 6;
export const NEED_F16C: u32 = 7;
const I2: u32 = NEED_AVX2_WIDE << 19;
const A2: u32 = NEED_AVX2 << 19;
const R2: u32 = NEED_AVX2_REG << 19;
const AES: u32 = (NEED_AES << 19) | L0;
const CLM: u32 = (NEED_PCLMULQDQ << 19) | L0;

// Forms. A trailing number is the size of a memory operand that is not the whole vector.
const __: u32 = 0;
const I8: u32 = VEX_IMM8;
const N: u32 = VEX_NDS;
const MEM: u32 = VEX_MEM;
const REG: u32 = VEX_REG;
const G: u32 = VEX_GPR;
const MV: u32 = SHAPE_LOAD;
const MA: u32 = SHAPE_LOAD | VEX_ALIGNED;
const ST: u32 = SHAPE_STORE | VEX_STORE;
const SA: u32 = SHAPE_STORE | VEX_STORE | VEX_ALIGNED;
const P: u32 = SHAPE_PACKED | N | I2;
/** Logic on floating-point values: AVX also for 256 bits. */
const LG: u32 = SHAPE_PACKED | N;
/** One source. */
const P1: u32 = SHAPE_PACKED | I2;
const U: u32 = SHAPE_UNARY;
const U8: u32 = SHAPE_UNARY | B8 | L0;
const UG: u32 = SHAPE_UNARY | BW | L0 | WG | G;
const UD: u32 = SHAPE_UNARY | BDUP;
const UI: u32 = SHAPE_UNARY | I2 | I8;
const B: u32 = SHAPE_BINARY | N;
const BI: u32 = SHAPE_BINARY | N | I2;
const M8: u32 = SHAPE_BINARY | N | B8 | L0;
const S4: u32 = SHAPE_BINARY | N | B4 | LIG;
const S8: u32 = SHAPE_BINARY | N | B8 | LIG;
const SG: u32 = SHAPE_BINARY | N | BW | LIG | WG | G;
const SH: u32 = SHAPE_SHIFT | N | B16 | I2;
const GR: u32 = SHAPE_GROUP | N | REG | I8 | I2;
const WD: u32 = SHAPE_WIDEN | HALF;
const WH: u32 = SHAPE_WIDEN | HALF | I2;
const WQ: u32 = SHAPE_WIDEN | QUARTER | I2;
const WE: u32 = SHAPE_WIDEN | EIGHTH | I2;
const NW: u32 = SHAPE_NARROW;
const C4: u32 = SHAPE_SCALAR | B4 | LIG | VEX_NDS_REG;
const C8: u32 = SHAPE_SCALAR | B8 | LIG | VEX_NDS_REG;
const PT: u32 = SHAPE_PART | VEX_STORE | L0;
const TG: u32 = SHAPE_TO_GPR;
const T4: u32 = SHAPE_TO_GPR | B4 | LIG | WG;
const T8: u32 = SHAPE_TO_GPR | B8 | LIG | WG;
const F4: u32 = SHAPE_FLAGS | B4 | LIG;
const F8: u32 = SHAPE_FLAGS | B8 | LIG;
const SI: u32 = SHAPE_SIGNS | REG | WG;
const CM: u32 = SHAPE_COMPARE | N | I8;
const O: u32 = SHAPE_OWN;
const TS: u32 = SHAPE_TEST;
const FX: u32 = SHAPE_FMA | N | (NEED_FMA << 19);
const FS: u32 = SHAPE_FMA | N | BW | LIG | (NEED_FMA << 19);
const ML: u32 = SHAPE_MASK_LOAD | N | MEM;
const MS: u32 = SHAPE_MASK_STORE | N | MEM | VEX_STORE;
const GA: u32 = SHAPE_GATHER | N | MEM | A2;
const BV: u32 = SHAPE_BLEND | N | W0 | I8;

// Columns: no prefix, 66, F3, F2. From opcode 10.
const MAP_0F: usize = memory.data<u32>([
  /* 10 VMOVUPS VMOVUPD VMOVSS VMOVSD */ MV, MV, C4, C8,
  /* 11 stores of those */ ST, ST, C4 | VEX_STORE, C8 | VEX_STORE,
  /* 12 VMOVLPS/VMOVHLPS VMOVLPD VMOVSLDUP VMOVDDUP */ M8, M8 | MEM, U, UD,
  /* 13 VMOVLPS VMOVLPD stores */ PT | B8 | MEM, PT | B8 | MEM, __, __,
  /* 14 VUNPCKLPS VUNPCKLPD */ B, B, __, __,
  /* 15 VUNPCKHPS VUNPCKHPD */ B, B, __, __,
  /* 16 VMOVHPS/VMOVLHPS VMOVHPD VMOVSHDUP */ M8, M8 | MEM, U, __,
  /* 17 VMOVHPS VMOVHPD stores */ PT | B8 | MEM, PT | B8 | MEM, __, __,
  /* 18-1b */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 1c-1f */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 20-23 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 24-27 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 28 VMOVAPS VMOVAPD */ MA, MA, __, __,
  /* 29 stores of those */ SA, SA, __, __,
  /* 2a VCVTSI2SS VCVTSI2SD */ __, __, SG, SG,
  /* 2b VMOVNTPS VMOVNTPD */ SA | MEM, SA | MEM, __, __,
  /* 2c VCVTTSS2SI VCVTTSD2SI */ __, __, T4, T8,
  /* 2d VCVTSS2SI VCVTSD2SI */ __, __, T4, T8,
  /* 2e VUCOMISS VUCOMISD */ F4, F8, __, __,
  /* 2f VCOMISS VCOMISD */ F4, F8, __, __,
  /* 30-33 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 34-37 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 38-3b */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 3c-3f */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 40-43 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 44-47 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 48-4b */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 4c-4f */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 50 VMOVMSKPS VMOVMSKPD */ SI, SI, __, __,
  /* 51 VSQRTPS PD SS SD */ U, U, S4, S8,
  /* 52 VRSQRTPS SS */ U, __, S4, __,
  /* 53 VRCPPS SS */ U, __, S4, __,
  /* 54 VANDPS PD */ LG, LG, __, __,
  /* 55 VANDNPS PD */ LG, LG, __, __,
  /* 56 VORPS PD */ LG, LG, __, __,
  /* 57 VXORPS PD */ LG, LG, __, __,
  /* 58 VADDPS PD SS SD */ B, B, S4, S8,
  /* 59 VMULPS PD SS SD */ B, B, S4, S8,
  /* 5a VCVTPS2PD VCVTPD2PS VCVTSS2SD VCVTSD2SS */ WD, NW, S4, S8,
  /* 5b VCVTDQ2PS VCVTPS2DQ VCVTTPS2DQ */ U, U, U, __,
  /* 5c VSUBPS PD SS SD */ B, B, S4, S8,
  /* 5d VMINPS PD SS SD */ B, B, S4, S8,
  /* 5e VDIVPS PD SS SD */ B, B, S4, S8,
  /* 5f VMAXPS PD SS SD */ B, B, S4, S8,
  /* 60 VPUNPCKLBW */ __, P, __, __,
  /* 61 VPUNPCKLWD */ __, P, __, __,
  /* 62 VPUNPCKLDQ */ __, P, __, __,
  /* 63 VPACKSSWB */ __, P, __, __,
  /* 64 VPCMPGTB */ __, P, __, __,
  /* 65 VPCMPGTW */ __, P, __, __,
  /* 66 VPCMPGTD */ __, P, __, __,
  /* 67 VPACKUSWB */ __, P, __, __,
  /* 68 VPUNPCKHBW */ __, P, __, __,
  /* 69 VPUNPCKHWD */ __, P, __, __,
  /* 6a VPUNPCKHDQ */ __, P, __, __,
  /* 6b VPACKSSDW */ __, P, __, __,
  /* 6c VPUNPCKLQDQ */ __, P, __, __,
  /* 6d VPUNPCKHQDQ */ __, P, __, __,
  /* 6e VMOVD/VMOVQ from r/m */ __, UG, __, __,
  /* 6f VMOVDQA VMOVDQU */ __, MA, MV, __,
  /* 70 VPSHUFD VPSHUFHW VPSHUFLW */ __, UI, UI, UI,
  /* 71 group 12: VPSRLW VPSRAW VPSLLW */ __, GR, __, __,
  /* 72 group 13: VPSRLD VPSRAD VPSLLD */ __, GR, __, __,
  /* 73 group 14: VPSRLQ VPSRLDQ VPSLLQ VPSLLDQ */ __, GR, __, __,
  /* 74 VPCMPEQB */ __, P, __, __,
  /* 75 VPCMPEQW */ __, P, __, __,
  /* 76 VPCMPEQD */ __, P, __, __,
  /* 77 VZEROUPPER VZEROALL */ SHAPE_ZERO, __, __, __,
  /* 78-7b */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 7c VHADDPD VHADDPS */ __, B, __, B,
  /* 7d VHSUBPD VHSUBPS */ __, B, __, B,
  /* 7e VMOVD/VMOVQ to r/m, VMOVQ load */ __, PT | BW | WG | G, U8, __,
  /* 7f VMOVDQA VMOVDQU stores */ __, SA, ST, __,
  /* 80-83 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 84-87 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 88-8b */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 8c-8f */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 90-93 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 94-97 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 98-9b */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 9c-9f */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* a0-a3 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* a4-a7 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* a8-ab */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* ac-ad */ __, __, __, __, __, __, __, __,
  /* ae group 15: VLDMXCSR VSTMXCSR */ SHAPE_MXCSR | B4 | L0 | MEM, __, __, __,
  /* af */ __, __, __, __,
  /* b0-b3 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* b4-b7 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* b8-bb */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* bc-bf */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* c0-c1 */ __, __, __, __, __, __, __, __,
  /* c2 VCMPPS VCMPPD VCMPSS VCMPSD */ CM, CM, CM | B4 | LIG, CM | B8 | LIG,
  /* c3 */ __, __, __, __,
  /* c4 VPINSRW */ __, M8 & ~VEX_SIZE | B2 | WG | G | I8, __, __,
  /* c5 VPEXTRW */ __, TG | REG | L0 | WG | I8, __, __,
  /* c6 VSHUFPS VSHUFPD */ B | I8, B | I8, __, __,
  /* c7-ca */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* cb-ce */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* cf */ __, __, __, __,
  /* d0 VADDSUBPD VADDSUBPS */ __, B, __, B,
  /* d1 VPSRLW */ __, SH, __, __,
  /* d2 VPSRLD */ __, SH, __, __,
  /* d3 VPSRLQ */ __, SH, __, __,
  /* d4 VPADDQ */ __, P, __, __,
  /* d5 VPMULLW */ __, P, __, __,
  /* d6 VMOVQ store */ __, PT | B8, __, __,
  /* d7 VPMOVMSKB */ __, SI | I2, __, __,
  /* d8 VPSUBUSB */ __, P, __, __,
  /* d9 VPSUBUSW */ __, P, __, __,
  /* da VPMINUB */ __, P, __, __,
  /* db VPAND */ __, P, __, __,
  /* dc VPADDUSB */ __, P, __, __,
  /* dd VPADDUSW */ __, P, __, __,
  /* de VPMAXUB */ __, P, __, __,
  /* df VPANDN */ __, P, __, __,
  /* e0 VPAVGB */ __, P, __, __,
  /* e1 VPSRAW */ __, SH, __, __,
  /* e2 VPSRAD */ __, SH, __, __,
  /* e3 VPAVGW */ __, P, __, __,
  /* e4 VPMULHUW */ __, P, __, __,
  /* e5 VPMULHW */ __, P, __, __,
  /* e6 VCVTTPD2DQ VCVTDQ2PD VCVTPD2DQ */ __, NW, WD, NW,
  /* e7 VMOVNTDQ */ __, SA | MEM, __, __,
  /* e8 VPSUBSB */ __, P, __, __,
  /* e9 VPSUBSW */ __, P, __, __,
  /* ea VPMINSW */ __, P, __, __,
  /* eb VPOR */ __, P, __, __,
  /* ec VPADDSB */ __, P, __, __,
  /* ed VPADDSW */ __, P, __, __,
  /* ee VPMAXSW */ __, P, __, __,
  /* ef VPXOR */ __, P, __, __,
  /* f0 VLDDQU */ __, __, __, MV | MEM,
  /* f1 VPSLLW */ __, SH, __, __,
  /* f2 VPSLLD */ __, SH, __, __,
  /* f3 VPSLLQ */ __, SH, __, __,
  /* f4 VPMULUDQ */ __, P, __, __,
  /* f5 VPMADDWD */ __, P, __, __,
  /* f6 VPSADBW */ __, P, __, __,
  /* f7 VMASKMOVDQU */ __, SHAPE_MASK_BYTES | REG | L0, __, __,
  /* f8 VPSUBB */ __, P, __, __,
  /* f9 VPSUBW */ __, P, __, __,
  /* fa VPSUBD */ __, P, __, __,
  /* fb VPSUBQ */ __, P, __, __,
  /* fc VPADDB */ __, P, __, __,
  /* fd VPADDW */ __, P, __, __,
  /* fe VPADDD */ __, P, __, __,
  /* ff */ __, __, __, __,
]);

// 66 alone.
const MAP_0F38: usize = memory.data<u32>([
  /* 00 VPSHUFB VPHADDW VPHADDD VPHADDSW */ P, P, P, P,
  /* 04 VPMADDUBSW VPHSUBW VPHSUBD VPHSUBSW */ P, P, P, P,
  /* 08 VPSIGNB VPSIGNW VPSIGND VPMULHRSW */ P, P, P, P,
  /* 0c VPERMILPS VPERMILPD VTESTPS VTESTPD */ O | N | W0, O | N | W0, TS | W0, TS | W0,
  /* 13 VCVTPH2PS */ __, __, __, SHAPE_FROM_HALF | HALF | W0 | (NEED_F16C << 19),
  /* 16 VPERMPS, 17 VPTEST */ __, __, O | N | L1 | W0 | A2, TS,
  /* 18 VBROADCASTSS VBROADCASTSD VBROADCASTF128 */ O | B4 | W0 | R2, O | B8 | L1 | W0 | R2, O | B16 | L1 | W0 | MEM, __,
  /* 1c VPABSB VPABSW VPABSD */ P1, P1, P1, __,
  /* 20 VPMOVSXBW VPMOVSXBD VPMOVSXBQ VPMOVSXWD */ WH, WQ, WE, WH,
  /* 24 VPMOVSXWQ VPMOVSXDQ */ WQ, WH, __, __,
  /* 28 VPMULDQ VPCMPEQQ VMOVNTDQA VPACKUSDW */ P, P, MA | MEM | I2, P,
  /* 2c VMASKMOVPS VMASKMOVPD, and their stores */ ML | W0, ML | W0, MS | W0, MS | W0,
  /* 30 VPMOVZXBW VPMOVZXBD VPMOVZXBQ VPMOVZXWD */ WH, WQ, WE, WH,
  /* 34 VPMOVZXWQ VPMOVZXDQ VPERMD VPCMPGTQ */ WQ, WH, O | N | L1 | W0 | A2, P,
  /* 38 VPMINSB VPMINSD VPMINUW VPMINUD */ P, P, P, P,
  /* 3c VPMAXSB VPMAXSD VPMAXUW VPMAXUD */ P, P, P, P,
  /* 40 VPMULLD VPHMINPOSUW */ P, U | L0, __, __,
  /* 45 VPSRLVD/Q VPSRAVD VPSLLVD/Q */ __, O | N | A2, O | N | W0 | A2, O | N | A2,
  /* 48-4f */ __, __, __, __, __, __, __, __,
  /* 50-57 */ __, __, __, __, __, __, __, __,
  /* 58 VPBROADCASTD VPBROADCASTQ VBROADCASTI128 */ O | B4 | W0 | A2, O | B8 | W0 | A2, O | B16 | L1 | W0 | MEM | A2, __,
  /* 5c-5f */ __, __, __, __,
  /* 60-6f */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 70-77 */ __, __, __, __, __, __, __, __,
  /* 78 VPBROADCASTB VPBROADCASTW */ O | B1 | W0 | A2, O | B2 | W0 | A2, __, __,
  /* 7c-7f */ __, __, __, __,
  /* 80-8b */ __, __, __, __, __, __, __, __, __, __, __, __,
  /* 8c VPMASKMOVD/Q, and its store */ ML | A2, __, MS | A2, __,
  /* 90 VPGATHERDD/DQ VPGATHERQD/QQ VGATHERDPS/DPD VGATHERQPS/QPD */ GA, GA, GA, GA,
  /* 96 VFMADDSUB132 VFMSUBADD132 */ __, __, FX, FX,
  /* 98 VFMADD132, VFMSUB132, VFNMADD132, VFNMSUB132; odd ones scalar */ FX, FS, FX, FS, FX, FS, FX, FS,
  /* a0-a5 */ __, __, __, __, __, __,
  /* a6 VFMADDSUB213 VFMSUBADD213 */ FX, FX,
  /* a8 */ FX, FS, FX, FS, FX, FS, FX, FS,
  /* b0-b5 */ __, __, __, __, __, __,
  /* b6 VFMADDSUB231 VFMSUBADD231 */ FX, FX,
  /* b8 */ FX, FS, FX, FS, FX, FS, FX, FS,
  /* c0-cf */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* d0-da */ __, __, __, __, __, __, __, __, __, __, __,
  /* db VAESIMC VAESENC VAESENCLAST VAESDEC VAESDECLAST */ U | AES, B | AES, B | AES, B | AES, B | AES,
]);

const MAP_0F3A: usize = memory.data<u32>([
  /* 00 VPERMQ VPERMPD VPBLENDD */ O | L1 | W1 | A2 | I8, O | L1 | W1 | A2 | I8, O | N | W0 | A2 | I8, __,
  /* 04 VPERMILPS VPERMILPD VPERM2F128 */ O | W0 | I8, O | W0 | I8, O | N | L1 | W0 | I8, __,
  /* 08 VROUNDPS PD SS SD */ U | I8, U | I8, S4 | I8, S8 | I8,
  /* 0c VBLENDPS VBLENDPD VPBLENDW VPALIGNR */ B | I8, B | I8, BI | I8, BI | I8,
  /* 10-13 */ __, __, __, __,
  /* 14 VPEXTRB VPEXTRW VPEXTRD/Q VEXTRACTPS */ PT | B1 | WG | G | I8, PT | B2 | WG | G | I8, PT | BW | WG | G | I8, PT | B4 | WG | G | I8,
  /* 18 VINSERTF128 VEXTRACTF128 */ O | N | B16 | L1 | W0 | I8, SHAPE_EXTRACT | B16 | L1 | W0 | I8 | VEX_STORE, __, __,
  /* 1c, 1d VCVTPS2PH */ __, SHAPE_TO_HALF | HALF | W0 | I8 | VEX_STORE | (NEED_F16C << 19), __, __,
  /* 20 VPINSRB VINSERTPS VPINSRD/Q */ B | B1 | L0 | WG | G | I8, B | B4 | L0 | I8, B | BW | L0 | WG | G | I8, __,
  /* 24-2f */ __, __, __, __, __, __, __, __, __, __, __, __,
  /* 30-37 */ __, __, __, __, __, __, __, __,
  /* 38 VINSERTI128 VEXTRACTI128 */ O | N | B16 | L1 | W0 | I8 | A2, SHAPE_EXTRACT | B16 | L1 | W0 | I8 | VEX_STORE | A2, __, __,
  /* 3c-3f */ __, __, __, __,
  /* 40 VDPPS VDPPD VMPSADBW */ SHAPE_DOT | N | I8, B | L0 | I8, BI | I8, __,
  /* 44 VPCLMULQDQ, 46 VPERM2I128 */ B | CLM | I8, __, O | N | L1 | W0 | I8 | A2, __,
  /* 48, 4a VBLENDVPS VBLENDVPD */ __, __, BV, BV,
  /* 4c VPBLENDVB */ BV | I2, __, __, __,
  /* 50-5f */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 60 VPCMPESTRM VPCMPESTRI */ SHAPE_FLAGS | B16 | L0 | WG | I8, SHAPE_FLAGS | B16 | L0 | WG | I8,
  /* 62 VPCMPISTRM VPCMPISTRI */ SHAPE_FLAGS | B16 | L0 | I8, SHAPE_FLAGS | B16 | L0 | I8,
]);

/** Valid ModRM.reg of groups 12 to 14: 2 = logical right, 4 = arithmetic right, 6 = left; 3 and 7 shift a whole lane by bytes. */
// @ts-ignore: decorator
@inline
function groupRegs(opcode: u32): u32 {
  return opcode == 0x73 ? 0xcc : opcode == 0xae ? 0x0c : 0x54;
}

/** The descriptor of an opcode of a map (1 to 3) under pp; 0 when there is none. */
export function vexInfo(map: u32, pp: u32, opcode: u32): u32 {
  if (map == 1) return opcode < 0x10 ? 0 : load<u32>(MAP_0F + (((opcode - 0x10) << 4) | (pp << 2)));
  if (pp != 1) return 0;
  if (map == 2) return opcode < 0xe0 ? load<u32>(MAP_0F38 + (opcode << 2)) : 0;
  if (opcode == 0xdf) return U | AES | I8; // VAESKEYGENASSIST
  return opcode < 0x64 ? load<u32>(MAP_0F3A + (opcode << 2)) : 0;
}

/** ModRM.reg of an opcode with a group names an instruction. */
export function vexGroup(info: u32, opcode: u32, reg: u32): bool {
  const shape = info & VEX_SHAPE;
  if (shape != SHAPE_GROUP && shape != SHAPE_MXCSR) return true;
  return ((groupRegs(opcode) >> (reg & 7)) & 1) != 0;
}
