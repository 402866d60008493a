/**
 * Who uses which disk image: an image that is written is no one else's, one that is read may be read by many. Advisory, among the programs of one user.
 *
 * Node has no call for file locks (fcntl, flock). So a claim is a symbolic link in the runtime directory (`runtime-directory.ts`), made in one system call:
 * `disk.<device>-<inode>.<r|w>.<pid>.<n>`, whose target names its owner: `<pid>.<start>` and a name. A claim of a process that died counts no more and is removed by
 * whoever meets it. Who claims looks for claims of others after having made his own: of two that come at the same time, at least one sees the other.
 *
 * QEMU's locks cannot be taken, but seen where the system tells of them (/proc/locks): it locks byte 100 and on of an image (its permissions; 101 is writing).
 *
 * Left out: images on file systems that several hosts share, and other users.
 *
 * @module
 */
import { readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, makeRuntimeDirectory, processStart, RuntimeDirectoryError, runtimeDirectoryPath } from './runtime-directory.ts';

export type LockKind = 'read' | 'write';

/** Another one uses the image; a line that says who. */
export class ImageLockedError extends Error {
  override readonly name = 'ImageLockedError';
}

const CLAIM = /^disk\.(\d+-\d+)\.([rw])\.(\d+)\.(\d+)$/;
const OWNER = /^(\d+)\.(\d*) (.*)$/s;
const QEMU_PERMISSIONS = 100;
const QEMU_WRITE = 101;

let count = 0;

/** A claim of an image, until `release`. */
export interface ImageLock {
  release(): void;
}

/**
 * Claims an image that is there. `name`: of who does. Without a runtime directory nobody can be asked, and the claim is one of nothing: a VM cannot be seen then either, and
 * says so. Throws ImageLockedError, the system's error for a file that is not there.
 */
export function lockImage(path: string, kind: LockKind, name: string): ImageLock {
  const { dev, ino } = statSync(path, { bigint: true });
  const claim = makeClaim(`${dev}-${ino}`, kind, name);
  const holder = claim?.other ?? qemuLock(dev, ino, kind);
  const release = (): void => {
    if (claim !== undefined) rmSync(claim.link, { force: true });
  };
  if (holder === undefined) return { release };
  release();
  throw new ImageLockedError(`is in use: ${holder}`);
}

/** The claim, and who has one against it; undefined where none can be made. */
function makeClaim(image: string, kind: LockKind, name: string): { readonly link: string; readonly other: string | undefined } | undefined {
  try {
    const directory = runtimeDirectoryPath();
    makeRuntimeDirectory(directory);
    const own = `disk.${image}.${kind === 'write' ? 'w' : 'r'}.${process.pid}.${count++}`;
    const link = join(directory, own);
    symlinkSync(`${process.pid}.${processStart(process.pid)} ${name}`, link);
    return { link, other: otherClaim(directory, own, image, kind) };
  } catch (error) {
    if (error instanceof RuntimeDirectoryError || (error as NodeJS.ErrnoException).syscall !== undefined) return undefined;
    throw error;
  }
}

/** Who else has the image in a way that is against ours; removes what the dead left behind. */
function otherClaim(directory: string, own: string, image: string, kind: LockKind): string | undefined {
  for (const entry of readdirSync(directory)) {
    const claim = CLAIM.exec(entry);
    if (claim === null || entry === own) continue;
    const owner = OWNER.exec(linkText(join(directory, entry)));
    // Made by nobody that lives, or gone meanwhile.
    if (owner === null || !isAlive(Number(owner[1]), owner[2])) rmSync(join(directory, entry), { force: true });
    else if (claim[1] === image && (kind === 'write' || claim[2] === 'w')) {
      const self = Number(owner[1]) === process.pid;
      return `${owner[3]} (process ${owner[1]}${self ? ', this one' : ''}) ${claim[2] === 'w' ? 'writes' : 'reads'} it`;
    }
  }
  return undefined;
}

function linkText(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}

/** A lock as QEMU takes them. */
function qemuLock(dev: bigint, ino: bigint, kind: LockKind): string | undefined {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  const hex = (n: bigint): string => n.toString(16).padStart(2, '0');
  const file = `${hex(major)}:${hex(minor)}:${ino}`;
  const locks = systemLocks()
    .map((line) => line.trim().split(/\s+/))
    .filter(([, type, , , , place, first]) => type === 'OFDLCK' && place === file && Number(first) >= QEMU_PERMISSIONS);
  const writes = locks.some(([, , , , , , first, last]) => Number(first) <= QEMU_WRITE && (last === 'EOF' || Number(last) >= QEMU_WRITE));
  if (locks.length > 0 && (kind === 'write' || writes)) return `another program (QEMU, by its locks) ${writes ? 'writes' : 'reads'} it`;
  return undefined;
}

function systemLocks(): string[] {
  try {
    return readFileSync('/proc/locks', 'latin1').split('\n');
  } catch {
    // A system without such a file.
    return [];
  }
}
