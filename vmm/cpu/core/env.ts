/**
 * What the core asks of the monitor. Numbers are 32 bit; 64-bit data passes through IO_DATA.
 * Before each call RIP, NEXT_RIP and ICOUNT are exact; after it DEADLINE and EVENT may have changed.
 */

/** Port access. 1 = answered, 2 = nobody registered the port: leave run(). */
export declare function pio(cpu: usize, port: u32, size: u32, write: u32): i32;
/** Device memory access. 1 = answered by a device, 3 = answered by the interrupt controllers, 2 = leave run(). */
export declare function mmio(cpu: usize, gpaLow: u32, gpaHigh: u32, size: u32, write: u32): i32;
/** An MSR that the core does not keep. 1 = done, 0 = #GP(0), 2 = leave run(). */
export declare function msr(cpu: usize, index: u32, write: u32): i32;
/** Acknowledges the highest pending interrupt: its vector, or -1 when it went away. */
export declare function intack(cpu: usize): i32;
/** CR8 was written. */
export declare function tprWritten(cpu: usize, tpr: i32): void;
/** A probe point fires; its raw arguments stand in PROBE_ARG. Changes nothing that the guest can see. */
export declare function probe(cpu: usize, point: u32): void;
/** The room for the exit log is full: makes some, or ends the log. */
export declare function exitLog(): void;
/** A watched address is reached; its instruction is next. */
export declare function watch(cpu: usize): void;
/** x87 error with CR0.NE = 0: the FERR# pin. */
export declare function ferr(cpu: usize): void;
