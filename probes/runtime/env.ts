/** What the runtime asks of its VM. */

/** Tells the core that bytes of guest RAM were written behind its back: decoded code may be stale. */
export declare function written(host: usize, bytes: u32): void;

/** A firing has left something to do at once (ATTENTION). */
export declare function attend(): void;
