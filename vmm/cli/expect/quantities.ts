/**
 * Numbers of a file of expectations: counts, times, ports, and bounds on them.
 *
 * @module
 */
import { parseCount, parseDuration, UsageError } from '../options.ts';
import type { Bound } from './plan.ts';
import type { YamlValue } from './yaml-value.ts';

/** `0`, `20`, `1.5M`. */
export function count(value: YamlValue): number {
  const text = value.written.replaceAll('_', '').replace(/\s+(?=[kmg]$)/i, '');
  if (/^0+$/.test(text)) return 0;
  try {
    return parseCount(value.key, text);
  } catch (error) {
    if (error instanceof UsageError) throw value.wrong(`'${value.written}' is not a number; write 20, 500k, 900M or 1.5G`);
    throw error;
  }
}

/** `2s`, `1.5 ms`: ns. A time needs its unit. */
export function duration(value: YamlValue): number {
  const text = value.written.replace(/^([\d.]+)\s+/, '$1');
  if (/^0+$/.test(text)) return 0;
  try {
    if (/[a-z]$/.test(text)) return parseDuration(value.key, text);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
  }
  throw value.wrong(`'${value.written}' is not a time; write 2s, 1.5ms, 20us or 100ns`);
}

/** A number of any sign, or a time in ns. */
function measure(value: YamlValue): number {
  if (typeof value.scalar === 'number' && Number.isFinite(value.scalar)) return value.scalar;
  return /[a-z]$/.test(value.written) && /(?:[nmu]?s)$/.test(value.written) ? duration(value) : count(value);
}

export function number(value: YamlValue, max: number, write: string): number {
  const parsed = /^(0x[0-9a-f]+|\d+)$/i.test(value.written) ? Number(value.written) : Number.NaN;
  if (!(parsed <= max)) throw value.wrong(`'${value.written}' is not a number from 0 to 0x${max.toString(16)}; write ${write}`);
  return parsed;
}

const KINDS = { count, duration, measure } as const;

/** `{max: 20}`, `{min: 1, max: 2}`, `{is: 3}`, or a number alone, which is the one that is meant. */
export function bound(value: YamlValue, kind: keyof typeof KINDS): Bound {
  const read = KINDS[kind];
  const write = kind === 'duration' ? '{max: 2ms}, {min: 1ms} or {is: 0}' : '{max: 20}, {min: 1} or {is: 3}';
  if (value.scalar !== undefined) return { is: read(value) };
  const entries = [...value.map(['max', 'min', 'is'], write)].map(([key, v]) => [key, read(v)] as const);
  const limits: Bound = Object.fromEntries(entries);
  checkBound(value, limits, write);
  return limits;
}

export function checkBound(value: YamlValue, { min, max, is }: Bound, write: string): void {
  if (min === undefined && max === undefined && is === undefined) throw value.wrong(`says no limit; write ${write}`);
  if (is !== undefined && (min !== undefined || max !== undefined)) throw value.wrong('is: not beside max or min; it says both');
  if (min !== undefined && max !== undefined && min > max) throw value.wrong(`min ${min} is more than max ${max}`);
}

export function within(value: number, { min, max, is }: Bound): boolean {
  return (is === undefined || value === is) && (min === undefined || value >= min) && (max === undefined || value <= max);
}

/** The most that is allowed. */
export function most({ max, is }: Bound = {}): number {
  return max ?? is ?? Number.POSITIVE_INFINITY;
}

export function boundText({ min, max, is }: Bound, show: (n: number) => string = String): string {
  if (is !== undefined) return show(is);
  const parts = [min === undefined ? '' : `at least ${show(min)}`, max === undefined ? '' : `at most ${show(max)}`];
  return parts.filter((part) => part !== '').join(' and ');
}

/** ns with a unit, exactly. */
export function timeText(ns: number): string {
  for (const [unit, size] of [
    ['s', 1e9],
    ['ms', 1e6],
    ['us', 1e3],
  ] as const) {
    if (ns >= size) return `${Number((ns / size).toFixed(9))}${unit}`;
  }
  return `${ns}ns`;
}
