/**
 * How many drives the board has places for; apart from the board, which the command line must not load.
 *
 * @module
 */

/** Two channels of two devices. */
export const IDE_DRIVES_MAX = 4;
