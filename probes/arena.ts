/**
 * The memory of one enabled D program, in the VM's shared memory: what the runtime, the compiled clauses, the VM's thread and the consumer agree on.
 *
 * Theory. Each consumer (one `dlite`, one `lucid run -s`) has an arena: a header, then constants, globals, clause-local variables, scratch, dynamic
 * variables, aggregations, speculations, and the record buffer. The VM's thread writes, the main thread reads; nobody locks. The record buffer is a
 * ring with one writer and one reader: HEAD counts bytes ever written, TAIL bytes ever read (both modulo 2^32, the ring's size is a power of two), so
 * it is empty when they are equal. Under bufpolicy=ring the writer moves TAIL over the oldest records itself and the reader waits for the end; under
 * fill it stops when full. `WAIT` (a program that started with its VM): the writer waits for the reader instead of dropping.
 *
 * A record: header (RECORD), then the data where the enabling's description says. A record never wraps: one that does not fit before the end of the
 * ring is preceded by one of epid 0 that fills the rest. Records of the tracer's own have the epids of SPECIAL.
 *
 * D addresses. An object of D's own has the 64-bit address D_BASE + its place in the shared memory: not canonical, so it never meets a guest's
 * address. The runtime lets a clause read its own arena and the vCPU states that way, and write its own variables and scratch; all else faults.
 *
 * A compiled program's module imports `env.memory`, `env.arena` and `env.variables` (i32: places of its arena and of its variables) and the runtime as
 * `rt` (functions: `probes/d/codegen/runtime.ts`; `rt.fault`: the fault of the clause that runs). It exports `init`, called once over the zeroed arena
 * whose header is filled in, and for each probe its dispatcher `p<id>`, a function of the vCPU's state. `probes/runtime-host.ts` puts them together.
 *
 * @module
 */

export { D_BASE_HIGH } from '../vmm/cpu/layout.ts';

/** A record's header, bytes from its start. */
export const RECORD = {
  /** u32: bytes, header included, a multiple of 8. */
  SIZE: 0,
  /** u32: which enabling, or one of SPECIAL. */
  EPID: 4,
  /** u64: ns of the VM's clock. */
  TIMESTAMP: 8,
  /** u32: the vCPU. */
  CPU: 16,
  /** u32: 1 = part of a committed speculation. */
  FLAGS: 20,
  HEADER: 24,
} as const;

/** Epids that are no enabling's. */
export const SPECIAL = {
  /** Fills the ring's end. */
  PAD: 0,
  /**
   * Part of an aggregation as it was when printa fired, before the record of the clause: u32 aggregation id, u32 flags (1 first part, 2 last part), u32
   * elements, u32 0, i64 normalization, then elements: u32 bytes (a multiple of 8), u32 0, key bytes (padded to 8), value bytes.
   */
  SNAPSHOT: 0xffff_ff01,
  /** A clause faulted: u32 epid, u32 action (index from 1), u32 offset, u32 fault (FAULT), u64 address. */
  FAULT: 0xffff_ff02,
} as const;

/** DTRACEFLT_*: what `ERROR`'s arg4 holds. */
export const FAULT = {
  UNKNOWN: 0,
  BADADDR: 1,
  BADALIGN: 2,
  ILLOP: 3,
  DIVZERO: 4,
  NOSCRATCH: 5,
  KPRIV: 6,
  UPRIV: 7,
  TUPOFLOW: 8,
  BADSTACK: 9,
} as const;

/** Header of an arena: offsets of u32 fields unless told otherwise. */
export const ARENA = {
  /** STATE below. */
  STATE: 0,
  /** Bytes ever written to the ring. */
  HEAD: 4,
  /** Bytes ever read. */
  TAIL: 8,
  /** Policy: POLICY below. */
  POLICY: 12,
  /** 1: the writer waits when the ring is full. The reader notifies TAIL. */
  WAIT: 16,
  /** Argument of exit(). */
  EXIT_STATUS: 20,
  /** Place and size (a power of two) of the ring. */
  RING: 24,
  RING_BYTES: 28,
  /** Place and bytes of the other parts. */
  CONSTANTS: 32,
  CONSTANTS_BYTES: 36,
  GLOBALS: 40,
  GLOBALS_BYTES: 44,
  LOCALS: 48,
  LOCALS_BYTES: 52,
  SCRATCH: 56,
  SCRATCH_BYTES: 60,
  DYNAMIC: 64,
  DYNAMIC_BYTES: 68,
  AGGREGATIONS: 72,
  AGGREGATIONS_BYTES: 76,
  SPECULATIONS: 80,
  SPECULATIONS_COUNT: 84,
  SPECULATION_BYTES: 88,
  /** strsize. */
  STRING_BYTES: 92,
  /** First free byte of scratch in this firing. */
  SCRATCH_NEXT: 96,
  /** Drops, u32 each, in the order of DROPS. */
  DROPS: 128,
  /** What the consumer asks of the VM's thread or is told by it: ASK below. */
  ASK: 192,
  /** 1: a vCPU's registers mean something (vmregs, uregs, guest memory); 0: no VM, those fault. The VM's thread may change it for one firing. */
  CONTEXT: 196,
  /** What `pid` and `vmid` say. */
  PID: 200,
  VMID: 204,
  /** u64: walltimestamp when the clock was 0, ns since 1970. */
  EPOCH: 208,
  /** u64: seed of rand(). */
  SEED: 216,
  /** Bytes of the whole arena. */
  BYTES: 224,
  /** 1: the ring is full under bufpolicy=fill, and tracing is to end. */
  FILLED: 228,
  /** Bytes that END's records may still take when it is. */
  RESERVE: 232,
  /** Place where subroutines copy strings that are not D's own. */
  BOUNCE: 236,
  /** 1: the writer waits for the reader to move TAIL (WAIT). It notifies this word when it starts to. */
  WAITING: 240,
  /** Bytes of the ring that records may fill: fewer than it has when a smaller buffer was asked for. What the tracer itself writes is not bound by it. */
  CAPACITY: 244,
  /** u64: D address of what strtok() has left, 0 = nothing. A clause begins with none. */
  STRTOK: 248,
  /** Room for the runtime's own state (free lists, hash heads, seeds). */
  PRIVATE: 256,
  PRIVATE_BYTES: 3072 - 256,
  /** Strings: what `execname`, `vmname` and `zonename` say. */
  EXECNAME: 3072,
  VMNAME: 3328,
  ZONENAME: 3584,
  /** Bytes of each, with its NUL. */
  NAME_BYTES: 256,
  HEADER: 4096,
} as const;

/**
 * A u32 in the trace area, bytes from MEMORY_MAP.TRACE: the runtime makes it 1 when a firing has left something for the VM's thread to do at once: exit()
 * was called, the ring is full under bufpolicy=fill, ASK is set.
 */
export const ATTENTION = 0xf000;

/** Consumers that a VM can have at once: bits of a probe point's switch. */
export const CONSUMERS = 8;

/**
 * Slots of the table through which the runtime calls a program's probes: consumer * PER_CONSUMER + slot. A static point's slot is its number;
 * those from FREE on are given out by the VM's thread (profile, tick).
 */
export const SLOT = { PER_CONSUMER: 256, BEGIN: 64, END: 65, ERROR: 66, FREE: 67 } as const;

/** ARENA.STATE. */
export const STATE = {
  IDLE: 0,
  ACTIVE: 1,
  /** exit() was called, or the consumer stops: only END still fires. */ DRAINING: 2,
  STOPPED: 3,
} as const;

export const POLICY = { SWITCH: 0, FILL: 1, RING: 2 } as const;

/** Bits of ARENA.ASK. */
export const ASK = { /** stop(): the VM pauses at the next boundary. */ PAUSE: 1, /** breakpoint(). */ MONITOR: 2 } as const;

/** Kinds of drops, by their tags without DTRACEDROP_. */
export const DROPS = [
  'PRINCIPAL',
  'AGGREGATION',
  'DYNAMIC',
  'DYNRINSE',
  'DYNDIRTY',
  'SPEC',
  'SPECBUSY',
  'SPECUNAVAIL',
  'STKSTROVERFLOW',
  'DBLERROR',
] as const;
