/**
 * Reading a saved state back: each field is checked before a device takes any of it, because a snapshot file is input like any other.
 *
 * @module
 */
import { type DeviceState, StateError } from '../vmm/bus.ts';

/** An integer field from `min` to `max`. Throws `StateError` naming the field. */
export function savedInt(state: DeviceState, key: string, min: number, max: number): number {
  return checked(state[key], key, min, max);
}

/** An array of exactly `length` integers, each from `min` to `max`. Throws `StateError` naming the field. */
export function savedInts(state: DeviceState, key: string, length: number, min: number, max: number): number[] {
  const value = state[key];
  if (!Array.isArray(value) || value.length !== length) throw new StateError(`${key}: ${length} numbers expected`);
  return value.map((element) => checked(element, key, min, max));
}

/** A boolean field. Throws `StateError` naming the field. */
export function savedFlag(state: DeviceState, key: string): boolean {
  const value = state[key];
  if (typeof value !== 'boolean') throw new StateError(`${key}: true or false expected`);
  return value;
}

/** An array of exactly `length` objects. Throws `StateError` naming the field. */
export function savedParts(state: DeviceState, key: string, length: number): DeviceState[] {
  const value = state[key];
  const fits = Array.isArray(value) && value.length === length && value.every((part) => typeof part === 'object' && part !== null);
  if (!fits) throw new StateError(`${key}: ${length} parts expected`);
  return value as DeviceState[];
}

function checked(value: unknown, key: string, min: number, max: number): number {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw new StateError(`${key}: integer from ${min} to ${max} expected`);
  }
  return value as number;
}
