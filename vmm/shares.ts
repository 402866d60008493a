/**
 * The directories that a VM shares with its guest: from what the user names to what the device serves.
 *
 * @module
 */
import { NinePServer } from '../devices/9p/server.ts';
import { openShare, ShareOpenError } from '../devices/host/share.ts';

/** One share, as plain data. */
export interface ShareOptions {
  readonly path: string;
  /** The name that the guest mounts it by. */
  readonly tag: string;
  readonly writable: boolean;
}

/** A share that is open. */
export interface Share {
  readonly server: NinePServer;
  readonly tag: string;
}

/** A directory that cannot be shared; one line that names it. */
export class ShareRefused extends Error {
  override readonly name = 'ShareRefused';
}

/** Opens a share; `warn` hears once of a directory that fails. Throws ShareRefused. */
export function openShareFor({ path, tag, writable }: ShareOptions, warn: (line: string) => void): Share {
  try {
    const failed = (reason: string): void => warn(`--share ${path}: ${reason}; the guest gets errors (told once)`);
    return { server: new NinePServer({ root: openShare(path), writable, failed }), tag };
  } catch (error) {
    if (!(error instanceof ShareOpenError)) throw error;
    throw new ShareRefused(`--share ${path}: ${error.message}`);
  }
}
