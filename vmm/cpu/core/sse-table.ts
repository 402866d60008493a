/**
 * The operand table of MMX, SSE to SSE4.2, AES-NI, PCLMULQDQ and SHA: what an opcode of the maps 0F, 0F38 and 0F3A takes and needs, for the decoder.
 *
 * Specification: SDM vol. 2 chapters 3 to 5 and appendix A (opcode maps), vol. 3 section 22.25 (exception conditions of the legacy
 * SIMD instructions: which of EM, OSFXSR, TS, alignment apply). Rows are opcodes, columns the mandatory prefix.
 *
 * Left out, because they are not SIMD or belong to other owners: the 0F AE group, prefetches, EMMS, POPCNT, CRC32, MOVBE, 3DNow!,
 * SSE4a.
 */

/** Operand classes. */
export const CLASS_NONE: u32 = 0;
/** General register; the result is written as 32 bits, zero-extended. */
export const CLASS_GPR32: u32 = 1;
/** General register of 32 bits, or 64 with REX.W. */
export const CLASS_GPRW: u32 = 2;
export const CLASS_MMX: u32 = 3;
export const CLASS_XMM: u32 = 4;

/** Class of the ModRM.reg operand: bits 2:0. The destination unless INFO_STORE. */
export const INFO_REG: u32 = 7;
/** Class of the ModRM.rm operand when mod = 3: bits 5:3. */
export const INFO_RM: u32 = 7 << 3;
export const INFO_RM_SHIFT: u32 = 3;
/** Bytes of the ModRM.rm operand (1, 2, 4, 8 or 16), just those touched in memory: bits 10:6. Nothing both reads and writes memory. */
export const INFO_SIZE: u32 = 31 << 6;
export const INFO_SIZE_SHIFT: u32 = 6;
/** A 16-byte operand in memory that must be aligned, or #GP(0). */
export const INFO_ALIGNED: u32 = 1 << 11;
/** The rm operand is the destination, the reg operand the source. */
export const INFO_STORE: u32 = 1 << 12;
/** An immediate byte follows. */
export const INFO_IMM8: u32 = 1 << 13;
/** The instruction uses MMX state: #UD when CR0.EM, #NM when CR0.TS, a pending #MF; once it completes TOP = 0 and all tags valid. */
export const INFO_MMX: u32 = 1 << 14;
/** The instruction uses XMM state: #UD when CR0.EM or not CR4.OSFXSR, #NM when CR0.TS. */
export const INFO_SSE: u32 = 1 << 15;
/** With REX.W the memory operand has 8 bytes instead of INFO_SIZE (and CLASS_GPRW is 64 bits wide). */
export const INFO_WIDE: u32 = 1 << 16;
/** MASKMOVQ and MASKMOVDQU: `maskmov` instead of `sseExec`; reg is the data, rm the mask, memory at seg:rDI. */
export const INFO_MASKMOV: u32 = 1 << 17;
/** Groups 12 to 14: the immediate handed to `sseExec` is imm8 | ModRM.reg << 8; the rm register is the destination. */
export const INFO_GROUP: u32 = 1 << 18;
/** Which extension CPUID must have: bits 21:19, one of the LEVEL constants. */
export const INFO_LEVEL: u32 = 7 << 19;
export const INFO_LEVEL_SHIFT: u32 = 19;
/** MMX, SSE or SSE2. */
export const LEVEL_SSE2: u32 = 0;
export const LEVEL_SSE3: u32 = 1;
export const LEVEL_SSSE3: u32 = 2;
export const LEVEL_SSE41: u32 = 3;
export const LEVEL_SSE42: u32 = 4;
export const LEVEL_AES: u32 = 5;
export const LEVEL_PCLMULQDQ: u32 = 6;
export const LEVEL_SHA: u32 = 7;

// Of this table only: the form exists with a memory operand only, with a register only; MMX state is used by the register form only.
const MEM: u32 = 1 << 22;
const REG: u32 = 1 << 23;
const MXR: u32 = 1 << 24;

// Forms, named reg operand then rm operand, then the bytes of the latter. X = XMM, Q = MMX, G = general register by REX.W, R = 32-bit one;
// XX and QQ take the whole register.
const __: u32 = 0;
const X: u32 = CLASS_XMM | INFO_SSE;
const RMX: u32 = (CLASS_XMM << 3) | INFO_SSE;
const RMQ: u32 = (CLASS_MMX << 3) | INFO_MMX;
const RMG: u32 = (CLASS_GPRW << 3) | (4 << 6) | INFO_WIDE;
const ST: u32 = INFO_STORE;
const I8: u32 = INFO_IMM8;
const MX: u32 = INFO_MMX;
const MASKMOV: u32 = INFO_MASKMOV;
const XX: u32 = X | RMX | (16 << 6) | INFO_ALIGNED;
const XU: u32 = X | RMX | (16 << 6);
const X8: u32 = X | RMX | (8 << 6);
const X4: u32 = X | RMX | (4 << 6);
const X2: u32 = X | RMX | (2 << 6);
const XQ: u32 = X | (CLASS_MMX << 3) | (8 << 6);
const XG: u32 = X | RMG;
const XR4: u32 = X | (CLASS_GPR32 << 3) | (4 << 6);
const XR2: u32 = X | (CLASS_GPR32 << 3) | (2 << 6);
const XR1: u32 = X | (CLASS_GPR32 << 3) | (1 << 6);
const QQ: u32 = CLASS_MMX | RMQ | (8 << 6);
const Q4: u32 = CLASS_MMX | RMQ | (4 << 6);
const QX8: u32 = CLASS_MMX | RMX | INFO_MMX | (8 << 6);
const QX16: u32 = CLASS_MMX | RMX | INFO_MMX | (16 << 6) | INFO_ALIGNED;
const QG: u32 = CLASS_MMX | RMG | INFO_MMX;
const QR2: u32 = CLASS_MMX | (CLASS_GPR32 << 3) | (2 << 6) | INFO_MMX;
const GX4: u32 = CLASS_GPRW | RMX | (4 << 6);
const GX8: u32 = CLASS_GPRW | RMX | (8 << 6);
const RX: u32 = CLASS_GPR32 | RMX | (16 << 6) | REG;
const RQ: u32 = CLASS_GPR32 | RMQ | (8 << 6) | REG;
/** MOVNTI touches general registers only, so none of the SIMD conditions hold. */
const NTI: u32 = CLASS_GPRW | RMG | MEM | ST;
const QI: u32 = RMQ | (8 << 6) | REG | ST | I8 | INFO_GROUP;
const XI: u32 = RMX | (16 << 6) | REG | ST | I8 | INFO_GROUP;
const S3: u32 = LEVEL_SSE3 << 19;
const SS3: u32 = LEVEL_SSSE3 << 19;
const S41: u32 = LEVEL_SSE41 << 19;
const S42: u32 = LEVEL_SSE42 << 19;
const AES: u32 = LEVEL_AES << 19;
const CLM: u32 = LEVEL_PCLMULQDQ << 19;
const SHA: u32 = LEVEL_SHA << 19;

// Columns: no prefix, 66, F3, F2. From opcode 10.
const MAP_0F: usize = memory.data<u32>([
  /* 10 MOVUPS MOVUPD MOVSS MOVSD */ XU, XU, X4, X8,
  /* 11 stores of those */ XU | ST, XU | ST, X4 | ST, X8 | ST,
  /* 12 MOVLPS/MOVHLPS MOVLPD MOVSLDUP MOVDDUP */ X8, X8 | MEM, XX | S3, X8 | S3,
  /* 13 MOVLPS MOVLPD stores */ X8 | MEM | ST, X8 | MEM | ST, __, __,
  /* 14 UNPCKLPS UNPCKLPD */ XX, XX, __, __,
  /* 15 UNPCKHPS UNPCKHPD */ XX, XX, __, __,
  /* 16 MOVHPS/MOVLHPS MOVHPD MOVSHDUP */ X8, X8 | MEM, XX | S3, __,
  /* 17 MOVHPS MOVHPD stores */ X8 | MEM | ST, X8 | MEM | ST, __, __,
  /* 18-1b */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 1c-1f */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 20-23 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 24-27 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 28 MOVAPS MOVAPD */ XX, XX, __, __,
  /* 29 stores of those */ XX | ST, XX | ST, __, __,
  /* 2a CVTPI2PS CVTPI2PD CVTSI2SS CVTSI2SD */ XQ | MX, XQ | MXR, XG, XG,
  /* 2b MOVNTPS MOVNTPD */ XX | MEM | ST, XX | MEM | ST, __, __,
  /* 2c CVTTPS2PI CVTTPD2PI CVTTSS2SI CVTTSD2SI */ QX8, QX16, GX4, GX8,
  /* 2d CVTPS2PI CVTPD2PI CVTSS2SI CVTSD2SI */ QX8, QX16, GX4, GX8,
  /* 2e UCOMISS UCOMISD */ X4, X8, __, __,
  /* 2f COMISS COMISD */ X4, X8, __, __,
  /* 30-33 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 34-37 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 38-3b */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 3c-3f */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 40-43 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 44-47 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 48-4b */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 4c-4f */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 50 MOVMSKPS MOVMSKPD */ RX, RX, __, __,
  /* 51 SQRTPS PD SS SD */ XX, XX, X4, X8,
  /* 52 RSQRTPS SS */ XX, __, X4, __,
  /* 53 RCPPS SS */ XX, __, X4, __,
  /* 54 ANDPS PD */ XX, XX, __, __,
  /* 55 ANDNPS PD */ XX, XX, __, __,
  /* 56 ORPS PD */ XX, XX, __, __,
  /* 57 XORPS PD */ XX, XX, __, __,
  /* 58 ADDPS PD SS SD */ XX, XX, X4, X8,
  /* 59 MULPS PD SS SD */ XX, XX, X4, X8,
  /* 5a CVTPS2PD CVTPD2PS CVTSS2SD CVTSD2SS */ X8, XX, X4, X8,
  /* 5b CVTDQ2PS CVTPS2DQ CVTTPS2DQ */ XX, XX, XX, __,
  /* 5c SUBPS PD SS SD */ XX, XX, X4, X8,
  /* 5d MINPS PD SS SD */ XX, XX, X4, X8,
  /* 5e DIVPS PD SS SD */ XX, XX, X4, X8,
  /* 5f MAXPS PD SS SD */ XX, XX, X4, X8,
  /* 60 PUNPCKLBW */ Q4, XX, __, __,
  /* 61 PUNPCKLWD */ Q4, XX, __, __,
  /* 62 PUNPCKLDQ */ Q4, XX, __, __,
  /* 63 PACKSSWB */ QQ, XX, __, __,
  /* 64 PCMPGTB */ QQ, XX, __, __,
  /* 65 PCMPGTW */ QQ, XX, __, __,
  /* 66 PCMPGTD */ QQ, XX, __, __,
  /* 67 PACKUSWB */ QQ, XX, __, __,
  /* 68 PUNPCKHBW */ QQ, XX, __, __,
  /* 69 PUNPCKHWD */ QQ, XX, __, __,
  /* 6a PUNPCKHDQ */ QQ, XX, __, __,
  /* 6b PACKSSDW */ QQ, XX, __, __,
  /* 6c PUNPCKLQDQ */ __, XX, __, __,
  /* 6d PUNPCKHQDQ */ __, XX, __, __,
  /* 6e MOVD/MOVQ from r/m */ QG, XG, __, __,
  /* 6f MOVQ MOVDQA MOVDQU */ QQ, XX, XU, __,
  /* 70 PSHUFW PSHUFD PSHUFHW PSHUFLW */ QQ | I8, XX | I8, XX | I8, XX | I8,
  /* 71 group 12: PSRLW PSRAW PSLLW */ QI, XI, __, __,
  /* 72 group 13: PSRLD PSRAD PSLLD */ QI, XI, __, __,
  /* 73 group 14: PSRLQ PSRLDQ PSLLQ PSLLDQ */ QI, XI, __, __,
  /* 74 PCMPEQB */ QQ, XX, __, __,
  /* 75 PCMPEQW */ QQ, XX, __, __,
  /* 76 PCMPEQD */ QQ, XX, __, __,
  /* 77-7a */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* 7b */ __, __, __, __,
  /* 7c HADDPD HADDPS */ __, XX | S3, __, XX | S3,
  /* 7d HSUBPD HSUBPS */ __, XX | S3, __, XX | S3,
  /* 7e MOVD/MOVQ to r/m, MOVQ load */ QG | ST, XG | ST, X8, __,
  /* 7f MOVQ MOVDQA MOVDQU stores */ QQ | ST, XX | ST, XU | ST, __,
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
  /* ac-af */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* b0-b3 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* b4-b7 */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* b8-bb */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* bc-bf */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* c0-c1 */ __, __, __, __, __, __, __, __,
  /* c2 CMPPS CMPPD CMPSS CMPSD */ XX | I8, XX | I8, X4 | I8, X8 | I8,
  /* c3 MOVNTI */ NTI, __, __, __,
  /* c4 PINSRW */ QR2 | I8, XR2 | I8, __, __,
  /* c5 PEXTRW */ RQ | I8, RX | I8, __, __,
  /* c6 SHUFPS SHUFPD */ XX | I8, XX | I8, __, __,
  /* c7-ca */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* cb-ce */ __, __, __, __, __, __, __, __, __, __, __, __, __, __, __, __,
  /* cf */ __, __, __, __,
  /* d0 ADDSUBPD ADDSUBPS */ __, XX | S3, __, XX | S3,
  /* d1 PSRLW */ QQ, XX, __, __,
  /* d2 PSRLD */ QQ, XX, __, __,
  /* d3 PSRLQ */ QQ, XX, __, __,
  /* d4 PADDQ */ QQ, XX, __, __,
  /* d5 PMULLW */ QQ, XX, __, __,
  /* d6 MOVQ store, MOVQ2DQ, MOVDQ2Q */ __, X8 | ST, XQ | MX | REG, QX8 | REG,
  /* d7 PMOVMSKB */ RQ, RX, __, __,
  /* d8 PSUBUSB */ QQ, XX, __, __,
  /* d9 PSUBUSW */ QQ, XX, __, __,
  /* da PMINUB */ QQ, XX, __, __,
  /* db PAND */ QQ, XX, __, __,
  /* dc PADDUSB */ QQ, XX, __, __,
  /* dd PADDUSW */ QQ, XX, __, __,
  /* de PMAXUB */ QQ, XX, __, __,
  /* df PANDN */ QQ, XX, __, __,
  /* e0 PAVGB */ QQ, XX, __, __,
  /* e1 PSRAW */ QQ, XX, __, __,
  /* e2 PSRAD */ QQ, XX, __, __,
  /* e3 PAVGW */ QQ, XX, __, __,
  /* e4 PMULHUW */ QQ, XX, __, __,
  /* e5 PMULHW */ QQ, XX, __, __,
  /* e6 CVTTPD2DQ CVTDQ2PD CVTPD2DQ */ __, XX, X8, XX,
  /* e7 MOVNTQ MOVNTDQ */ QQ | MEM | ST, XX | MEM | ST, __, __,
  /* e8 PSUBSB */ QQ, XX, __, __,
  /* e9 PSUBSW */ QQ, XX, __, __,
  /* ea PMINSW */ QQ, XX, __, __,
  /* eb POR */ QQ, XX, __, __,
  /* ec PADDSB */ QQ, XX, __, __,
  /* ed PADDSW */ QQ, XX, __, __,
  /* ee PMAXSW */ QQ, XX, __, __,
  /* ef PXOR */ QQ, XX, __, __,
  /* f0 LDDQU */ __, __, __, XU | MEM | S3,
  /* f1 PSLLW */ QQ, XX, __, __,
  /* f2 PSLLD */ QQ, XX, __, __,
  /* f3 PSLLQ */ QQ, XX, __, __,
  /* f4 PMULUDQ */ QQ, XX, __, __,
  /* f5 PMADDWD */ QQ, XX, __, __,
  /* f6 PSADBW */ QQ, XX, __, __,
  /* f7 MASKMOVQ MASKMOVDQU */ QQ | REG | MASKMOV, XU | REG | MASKMOV, __, __,
  /* f8 PSUBB */ QQ, XX, __, __,
  /* f9 PSUBW */ QQ, XX, __, __,
  /* fa PSUBD */ QQ, XX, __, __,
  /* fb PSUBQ */ QQ, XX, __, __,
  /* fc PADDB */ QQ, XX, __, __,
  /* fd PADDW */ QQ, XX, __, __,
  /* fe PADDD */ QQ, XX, __, __,
  /* ff */ __, __, __, __,
]);

// Columns: no prefix, 66. From opcode 00.
const MAP_0F38: usize = memory.data<u32>([
  /* 00 PSHUFB */ QQ | SS3, XX | SS3,
  /* 01 PHADDW */ QQ | SS3, XX | SS3,
  /* 02 PHADDD */ QQ | SS3, XX | SS3,
  /* 03 PHADDSW */ QQ | SS3, XX | SS3,
  /* 04 PMADDUBSW */ QQ | SS3, XX | SS3,
  /* 05 PHSUBW */ QQ | SS3, XX | SS3,
  /* 06 PHSUBD */ QQ | SS3, XX | SS3,
  /* 07 PHSUBSW */ QQ | SS3, XX | SS3,
  /* 08 PSIGNB */ QQ | SS3, XX | SS3,
  /* 09 PSIGNW */ QQ | SS3, XX | SS3,
  /* 0a PSIGND */ QQ | SS3, XX | SS3,
  /* 0b PMULHRSW */ QQ | SS3, XX | SS3,
  /* 0c-0f */ __, __, __, __, __, __, __, __,
  /* 10 PBLENDVB */ __, XX | S41,
  /* 11-13 */ __, __, __, __, __, __,
  /* 14 BLENDVPS */ __, XX | S41,
  /* 15 BLENDVPD */ __, XX | S41,
  /* 16 */ __, __,
  /* 17 PTEST */ __, XX | S41,
  /* 18-1b */ __, __, __, __, __, __, __, __,
  /* 1c PABSB */ QQ | SS3, XX | SS3,
  /* 1d PABSW */ QQ | SS3, XX | SS3,
  /* 1e PABSD */ QQ | SS3, XX | SS3,
  /* 1f */ __, __,
  /* 20 PMOVSXBW */ __, X8 | S41,
  /* 21 PMOVSXBD */ __, X4 | S41,
  /* 22 PMOVSXBQ */ __, X2 | S41,
  /* 23 PMOVSXWD */ __, X8 | S41,
  /* 24 PMOVSXWQ */ __, X4 | S41,
  /* 25 PMOVSXDQ */ __, X8 | S41,
  /* 26-27 */ __, __, __, __,
  /* 28 PMULDQ */ __, XX | S41,
  /* 29 PCMPEQQ */ __, XX | S41,
  /* 2a MOVNTDQA */ __, XX | MEM | S41,
  /* 2b PACKUSDW */ __, XX | S41,
  /* 2c-2f */ __, __, __, __, __, __, __, __,
  /* 30 PMOVZXBW */ __, X8 | S41,
  /* 31 PMOVZXBD */ __, X4 | S41,
  /* 32 PMOVZXBQ */ __, X2 | S41,
  /* 33 PMOVZXWD */ __, X8 | S41,
  /* 34 PMOVZXWQ */ __, X4 | S41,
  /* 35 PMOVZXDQ */ __, X8 | S41,
  /* 36 */ __, __,
  /* 37 PCMPGTQ */ __, XX | S42,
  /* 38 PMINSB */ __, XX | S41,
  /* 39 PMINSD */ __, XX | S41,
  /* 3a PMINUW */ __, XX | S41,
  /* 3b PMINUD */ __, XX | S41,
  /* 3c PMAXSB */ __, XX | S41,
  /* 3d PMAXSD */ __, XX | S41,
  /* 3e PMAXUW */ __, XX | S41,
  /* 3f PMAXUD */ __, XX | S41,
  /* 40 PMULLD */ __, XX | S41,
  /* 41 PHMINPOSUW */ __, XX | S41,
]);

// Columns: no prefix, 66. From opcode 08.
const MAP_0F3A: usize = memory.data<u32>([
  /* 08 ROUNDPS */ __, XX | I8 | S41,
  /* 09 ROUNDPD */ __, XX | I8 | S41,
  /* 0a ROUNDSS */ __, X4 | I8 | S41,
  /* 0b ROUNDSD */ __, X8 | I8 | S41,
  /* 0c BLENDPS */ __, XX | I8 | S41,
  /* 0d BLENDPD */ __, XX | I8 | S41,
  /* 0e PBLENDW */ __, XX | I8 | S41,
  /* 0f PALIGNR */ QQ | I8 | SS3, XX | I8 | SS3,
  /* 10-13 */ __, __, __, __, __, __, __, __,
  /* 14 PEXTRB */ __, XR1 | ST | I8 | S41,
  /* 15 PEXTRW */ __, XR2 | ST | I8 | S41,
  /* 16 PEXTRD/Q */ __, XG | ST | I8 | S41,
  /* 17 EXTRACTPS */ __, XR4 | ST | I8 | S41,
  /* 18-1b */ __, __, __, __, __, __, __, __,
  /* 1c-1f */ __, __, __, __, __, __, __, __,
  /* 20 PINSRB */ __, XR1 | I8 | S41,
  /* 21 INSERTPS */ __, X4 | I8 | S41,
  /* 22 PINSRD/Q */ __, XG | I8 | S41,
  /* 23-26 */ __, __, __, __, __, __, __, __,
  /* 27-2a */ __, __, __, __, __, __, __, __,
  /* 2b-2e */ __, __, __, __, __, __, __, __,
  /* 2f-32 */ __, __, __, __, __, __, __, __,
  /* 33-36 */ __, __, __, __, __, __, __, __,
  /* 37-3a */ __, __, __, __, __, __, __, __,
  /* 3b-3e */ __, __, __, __, __, __, __, __,
  /* 3f */ __, __,
  /* 40 DPPS */ __, XX | I8 | S41,
  /* 41 DPPD */ __, XX | I8 | S41,
  /* 42 MPSADBW */ __, XX | I8 | S41,
  /* 43 */ __, __,
  /* 44 PCLMULQDQ */ __, XX | I8 | CLM,
  /* 45-48 */ __, __, __, __, __, __, __, __,
  /* 49-4c */ __, __, __, __, __, __, __, __,
  /* 4d-50 */ __, __, __, __, __, __, __, __,
  /* 51-52 */ __, __, __, __,
  /* 53-56 */ __, __, __, __, __, __, __, __,
  /* 57-5a */ __, __, __, __, __, __, __, __,
  /* 5b-5e */ __, __, __, __, __, __, __, __,
  /* 5f */ __, __,
  /* 60 PCMPESTRM */ __, XU | I8 | S42,
  /* 61 PCMPESTRI */ __, XU | I8 | S42,
  /* 62 PCMPISTRM */ __, XU | I8 | S42,
  /* 63 PCMPISTRI */ __, XU | I8 | S42,
]);

/** SHA and AES-NI, which stand far from the others in the maps 0F38 and 0F3A: SHA without a prefix, AES-NI with 66. */
function cryptography(map: u32, prefix: u32, opcode: u32): u32 {
  if (map == 2) return opcode == 0xcc && prefix == 0 ? XX | I8 | SHA : opcode == 0xdf && prefix == 1 ? XX | I8 | AES : 0;
  if (prefix == 0) return opcode >= 0xc8 && opcode <= 0xcd ? XX | SHA : 0;
  return prefix == 1 && opcode >= 0xdb && opcode <= 0xdf ? XX | AES : 0;
}

/** Valid ModRM.reg of groups 12, 13 and 14: bits 7:0 with MMX, 15:8 with XMM operands. */
// @ts-ignore: decorator
@inline
function groupRegs(opcode: u32): u32 {
  // 2 = logical right, 4 = arithmetic right, 6 = left; 3 and 7 shift a whole XMM register by bytes.
  return opcode == 0x73 ? 0xcc44 : 0x5454;
}

/**
 * The descriptor of `op` = map << 10 | prefix << 8 | opcode; map 0 = 0F, 1 = 0F38, 2 = 0F3A; prefix 0 none, 1 = 66, 2 = F3, 3 = F2 (F2 and
 * F3 win over 66). 0 when there is no such instruction with this kind of rm operand, which is #UD. `reg` is ModRM.reg without REX.R.
 */
export function sseInfo(op: u32, isMem: bool, reg: u32): u32 {
  const prefix = (op >> 8) & 3;
  const opcode = op & 0xff;
  let info: u32 = 0;
  switch (op >> 10) {
    case 0:
      if (opcode >= 0x10) info = load<u32>(MAP_0F + (((opcode - 0x10) << 4) | (prefix << 2)));
      break;
    case 1:
      if (opcode >= 0xc8) info = cryptography(1, prefix, opcode);
      else if (opcode <= 0x41 && prefix < 2) info = load<u32>(MAP_0F38 + ((opcode << 3) | (prefix << 2)));
      break;
    case 2:
      if (opcode >= 0xc8) info = cryptography(2, prefix, opcode);
      else if (opcode >= 0x08 && opcode <= 0x63 && prefix < 2) info = load<u32>(MAP_0F3A + (((opcode - 0x08) << 3) | (prefix << 2)));
      break;
  }
  if (isMem ? info & REG : info & MEM) return 0;
  if (info & INFO_GROUP && !((groupRegs(opcode) >> ((prefix << 3) | reg)) & 1)) return 0;
  // CVTPI2PD from memory leaves the x87 state alone (SDM vol. 2, CVTPI2PD).
  if (info & MXR && !isMem) info |= INFO_MMX;
  return info & ~(MEM | REG | MXR);
}
