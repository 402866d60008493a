/**
 * The runtime's own words in an arena, from ARENA.PRIVATE on: offsets from the arena. Nobody else reads them.
 */
import { ARENA_PRIVATE } from './constants.gen';

/** u64 x 2: state of rand(). */
export const RANDOM: usize = ARENA_PRIVATE;
/** Aggregations: their table, the next free byte, the end, hash heads and the mask of their number. */
export const AGG_TABLE: usize = ARENA_PRIVATE + 24;
export const AGG_FREE_FROM: usize = ARENA_PRIVATE + 28;
export const AGG_END: usize = ARENA_PRIVATE + 32;
export const AGG_HEADS: usize = ARENA_PRIVATE + 36;
export const AGG_MASK: usize = ARENA_PRIVATE + 40;
/** Dynamic variables: free chunks, the next unused chunk, the end, bytes of a chunk, hash heads and the mask of their number, the first chunk. */
export const DYN_FREE: usize = ARENA_PRIVATE + 44;
export const DYN_NEXT: usize = ARENA_PRIVATE + 48;
export const DYN_END: usize = ARENA_PRIVATE + 52;
export const DYN_CHUNK: usize = ARENA_PRIVATE + 56;
export const DYN_HEADS: usize = ARENA_PRIVATE + 60;
export const DYN_MASK: usize = ARENA_PRIVATE + 64;
export const DYN_FIRST: usize = ARENA_PRIVATE + 68;
/** Where HEAD goes when the record in the making is complete. */
export const PENDING: usize = ARENA_PRIVATE + 72;
/** The enabling whose clause faulted, while ERROR's clauses run: they may not fault themselves. */
export const IN_ERROR: usize = ARENA_PRIVATE + 76;
/** ns of the VM's clock from which on chill() may spend time again, and what it has spent since: u64 each. */
export const CHILL_FROM: usize = ARENA_PRIVATE + 80;
export const CHILL_SPENT: usize = ARENA_PRIVATE + 88;
/** The arguments of the firing, while ERROR's stand in their place: 10 x u64. */
export const SAVED_ARGS: usize = ARENA_PRIVATE + 96;
