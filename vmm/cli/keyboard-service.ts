/**
 * The service `keyboard` of the VM's socket: takes `{ "keys": [[...], ...] }`, scan codes of set 2.
 *
 * @module
 */
import type { KeyCodes } from '../keyboard-input.ts';
import type { VmService } from '../vm-socket-server.ts';

export const KEYBOARD_SERVICE = 'keyboard';

/** Codes of one key that a keyboard sends together, and keys of one message. */
const CODES_MAX = 8;
const KEYS_MAX = 100_000;

export function keyboardService(send: (keys: readonly KeyCodes[]) => void): VmService {
  return (channel, request) => {
    const { keys } = (request ?? {}) as { keys?: unknown };
    if (!Array.isArray(keys) || keys.length > KEYS_MAX || !keys.every(isCodes)) throw new Error('keys: lists of scan codes are needed');
    send(keys);
    channel.send(JSON.stringify({ keys: keys.length }));
    return {};
  };
}

function isCodes(value: unknown): value is KeyCodes {
  const isByte = (code: unknown): boolean => Number.isInteger(code) && (code as number) >= 0 && (code as number) <= 0xff;
  return Array.isArray(value) && value.length > 0 && value.length <= CODES_MAX && value.every(isByte);
}
