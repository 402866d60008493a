/**
 * Values of command line options: limits, sizes, times, ports. Each parser throws UsageError with one line that names the option.
 *
 * @module
 */

/** A bad option or file: one line for the user, exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** `--limit`: where a run ends. */
export interface Limits {
  /** Retired instructions. */
  readonly insns?: number;
  /** Nanoseconds of the VM's clock. */
  readonly timeNs?: number;
  /** Milliseconds of the host's. */
  readonly wallMs?: number;
}

const SCALE: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };
const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, '': 1e9, m: 60e9, h: 3600e9 };

function positive(option: string, text: string, value: number): number {
  if (!Number.isFinite(value) || value <= 0 || value > Number.MAX_SAFE_INTEGER)
    throw new UsageError(`${option} ${text}: must be more than 0`);
  return value;
}

/** `500000`, `1.5G`: a count. */
export function parseCount(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmg]?)$/i.exec(text);
  if (match === null) throw new UsageError(`${option} ${text}: not a number; write 500000, 20M or 1.5G`);
  return positive(option, text, Math.round(Number(match[1]) * SCALE[match[2].toLowerCase()]));
}

/** `10`, `1.5s`, `20ms`: a time in ns; seconds when no unit is given. */
export function parseDuration(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|)$/.exec(text);
  if (match === null) throw new UsageError(`${option} ${text}: not a time; write 10 (seconds), 1.5s or 20ms`);
  return positive(option, text, Math.round(Number(match[1]) * UNITS[match[2]]));
}

/** `insns=N,time=S,wall=S`. */
export function parseLimits(text: string): Limits {
  const limits: { insns?: number; timeNs?: number; wallMs?: number } = {};
  for (const part of text.split(',')) {
    const cut = part.indexOf('=');
    const key = part.slice(0, cut < 0 ? undefined : cut).trim();
    const value = cut < 0 ? '' : part.slice(cut + 1).trim();
    if (key === 'insns') limits.insns = parseCount('--limit insns', value);
    else if (key === 'time') limits.timeNs = parseDuration('--limit time', value);
    else if (key === 'wall') limits.wallMs = parseDuration('--limit wall', value) / 1e6;
    else throw new UsageError(`--limit ${part}: unknown; write insns=N, time=SECONDS or wall=SECONDS, separated by commas`);
  }
  return limits;
}

/** `244`, `0xf4`: an I/O port. */
export function parsePort(option: string, text: string): number {
  const port = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(port >= 0 && port <= 0xffff)) throw new UsageError(`${option} ${text}: not a port; write a number from 0 to 0xffff`);
  return port;
}

/** `2024-01-31T12:00:00Z` or seconds since 1970: an RTC's start, in seconds. */
export function parseEpoch(option: string, text: string): number {
  const seconds = /^\d+$/.test(text) ? Number(text) : Math.floor(Date.parse(text) / 1000);
  if (!(seconds >= 0 && seconds < 253_402_300_800)) {
    throw new UsageError(`${option} ${text}: not a time from 1970 to 9999; write 2024-01-31T12:00:00Z or seconds since 1970`);
  }
  return seconds;
}

/** `7`, `0x2a`: a seed of 32 bits. */
export function parseSeed(option: string, text: string): number {
  const seed = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(seed >= 0 && seed <= 0xffff_ffff)) throw new UsageError(`${option} ${text}: not a number from 0 to 4294967295`);
  return seed;
}
