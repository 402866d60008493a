/**
 * What an instruction can end with besides completing: the vocabulary that every part of the core shares.
 *
 * A handler that cannot complete stores an outcome in EXC and returns; nothing of the guest's state may have changed by then
 * (except what the SDM says changes), because the instruction is going to be re-executed or faulted at its own rip.
 */
import { EXC, EXC_CR2, EXC_DR6, EXC_ERROR } from './state.gen';

/** EXC holds a vector in bits 7:0. */
export const EXC_VALID: u32 = 0x100;
/** The vector pushes EXC_ERROR. */
export const EXC_HAS_ERROR: u32 = 0x200;
/** Not an exception: run this instruction again, alone (it touches a device or code). */
export const EXC_STEP: u32 = 0x1000;
/** Not an exception: leave run() with RUN_EXIT; the instruction is re-executed with the answers. */
export const EXC_LEAVE: u32 = 0x2000;

export const VEC_DE: u32 = 0;
export const VEC_DB: u32 = 1;
export const VEC_NMI: u32 = 2;
export const VEC_BP: u32 = 3;
export const VEC_OF: u32 = 4;
export const VEC_BR: u32 = 5;
export const VEC_UD: u32 = 6;
export const VEC_NM: u32 = 7;
export const VEC_DF: u32 = 8;
export const VEC_TS: u32 = 10;
export const VEC_NP: u32 = 11;
export const VEC_SS: u32 = 12;
export const VEC_GP: u32 = 13;
export const VEC_PF: u32 = 14;
export const VEC_MF: u32 = 16;
export const VEC_AC: u32 = 17;
export const VEC_MC: u32 = 18;
export const VEC_XM: u32 = 19;

/** Segment register numbers, as ModRM.reg encodes them; LDTR and TR follow in the state. */
export const SEG_ES: u32 = 0;
export const SEG_CS: u32 = 1;
export const SEG_SS: u32 = 2;
export const SEG_DS: u32 = 3;
export const SEG_FS: u32 = 4;
export const SEG_GS: u32 = 5;
export const SEG_LDTR: u32 = 6;
export const SEG_TR: u32 = 7;

/** True when the current instruction has an outcome other than completing. */
// @ts-ignore: decorator
@inline
export function failed(cpu: usize): bool {
  return load<u32>(cpu, EXC) != 0;
}

/** Raises a vector that has no error code (#DE #DB #UD #NM #MF #XM ...). */
export function raise(cpu: usize, vector: u32): void {
  store<u32>(cpu, EXC_VALID | vector, EXC);
  store<u32>(cpu, 0, EXC_ERROR);
}

/** Raises a vector with its error code (#TS #NP #SS #GP #AC #DF). */
export function raiseError(cpu: usize, vector: u32, error: u32): void {
  store<u32>(cpu, EXC_VALID | EXC_HAS_ERROR | vector, EXC);
  store<u32>(cpu, error, EXC_ERROR);
}

/** Raises #PF; CR2 is written when the exception is delivered. */
export function raisePageFault(cpu: usize, linear: u64, error: u32): void {
  store<u64>(cpu, linear, EXC_CR2);
  raiseError(cpu, VEC_PF, error);
}

/** Raises a fault-like #DB with its DR6 bits. */
export function raiseDebug(cpu: usize, dr6: u64): void {
  store<u64>(cpu, dr6, EXC_DR6);
  raise(cpu, VEC_DB);
}
