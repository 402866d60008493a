/**
 * The runtime directory: where the running VMs of one user are found.
 *
 * `$XDG_RUNTIME_DIR/lucid`, or `lucid-<uid>` in the temporary directory when that variable names no directory of this user. Only the user may
 * enter it (mode 0700, own uid): whoever can write here could pose as a VM, so anything else is refused, and a link is not followed. In it:
 *
 * - `<pid>.<n>`: the socket of the n-th VM of a process (`vmm/vm-socket.ts`);
 * - `vmid.<k>`: vmid k is taken. A symbolic link that names its owner (`<pid>.<start>`): made exclusively and with its content in one system call.
 *
 * A process that dies leaves both behind. A vmid's owner is dead when there is no such process, or one that started at another time (the pid is
 * used again); a socket is dead when it refuses connections. What is dead is removed by whoever meets it, and is never an error.
 *
 * Leaves out systems without user ids, and a host-wide number: VMs of other users can neither be seen nor counted.
 *
 * @module
 */
import { lstatSync, mkdirSync, chmodSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** The directory cannot be made, or must not be trusted; one line that names it. */
export class RuntimeDirectoryError extends Error {
  override readonly name = 'RuntimeDirectoryError';
}

/** sockaddr_un.sun_path, with its closing zero, on the system that has least of it (macOS; Linux has 108). */
const SUN_PATH = 104;

const SOCKET = /^(\d+)\.(\d+)$/;
/** A socket that does not yet listen: see `vmm/vm-socket-server.ts`. */
const UNFINISHED = /^\.(\d+)\.(\d+)$/;
const VMID = /^vmid\.(\d+)$/;
const OWNER = /^(\d+)\.(\d*)$/;

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function userId(): number {
  const uid = process.getuid?.();
  if (uid === undefined) throw new RuntimeDirectoryError('this system has no user ids: VMs cannot be made visible safely');
  return uid;
}

/** Where it is, for this user and environment; nothing is made or checked. */
export function runtimeDirectoryPath(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const uid = userId();
  const xdg = env['XDG_RUNTIME_DIR'];
  return xdg !== undefined && isAbsolute(xdg) && isOwnDirectory(xdg, uid) ? join(xdg, 'lucid') : join(tmpdir(), `lucid-${uid}`);
}

/** The variable may be another user's, left over by `su`: what root made there would lock its owner out. */
function isOwnDirectory(path: string, uid: number): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.isDirectory() && stat.uid === uid;
}

/** Makes the directory unless it is there, and checks it. Throws RuntimeDirectoryError. */
export function makeRuntimeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
    // The umask may have taken bits of our own.
    chmodSync(path, 0o700);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw new RuntimeDirectoryError(`${path}: cannot make it (${codeOf(error)})`);
  }
  if (!checkRuntimeDirectory(path)) throw new RuntimeDirectoryError(`${path}: it went away`);
}

/** True when it is there and this user's alone; false when there is none. Throws RuntimeDirectoryError when it must not be used. */
export function checkRuntimeDirectory(path: string): boolean {
  const uid = userId();
  let stat: ReturnType<typeof lstatSync>;
  try {
    stat = lstatSync(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw new RuntimeDirectoryError(`${path}: cannot look at it (${codeOf(error)})`);
  }
  if (!stat.isDirectory()) throw new RuntimeDirectoryError(`${path}: is not a directory; remove it`);
  if (stat.uid !== uid) throw new RuntimeDirectoryError(`${path}: belongs to user ${stat.uid}, not to you (${uid}); remove it`);
  const mode = stat.mode & 0o777;
  if (mode !== 0o700) {
    throw new RuntimeDirectoryError(`${path}: has mode ${mode.toString(8).padStart(4, '0')}, must be 0700; chmod 700 it`);
  }
  return true;
}

/**
 * When a process started, in a form that only compares equal to itself: field 22 of proc(5)'s stat, in clock ticks since boot. '' where there is
 * no such file; the pid alone decides then.
 */
export function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the command in parentheses and may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/** Whether the process `pid` lives, and is the one that started at `start`. */
export function isAlive(pid: number, start = ''): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
  const now = start === '' ? '' : processStart(pid);
  return now === '' || now === start;
}

/** A socket's place in the directory. */
export interface VmSocketPlace {
  /** `<pid>.<n>`. */
  readonly name: string;
  readonly path: string;
  readonly pid: number;
  readonly n: number;
}

function place(directory: string, pid: number, n: number): VmSocketPlace {
  const name = `${pid}.${n}`;
  return { name, path: join(directory, name), pid, n };
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw new RuntimeDirectoryError(`${directory}: cannot read it (${codeOf(error)})`);
  }
}

/** The sockets of a directory, living or not, by pid and number. */
export function vmSockets(directory: string): VmSocketPlace[] {
  const found: VmSocketPlace[] = [];
  for (const name of names(directory)) {
    const match = SOCKET.exec(name);
    if (match !== null) found.push(place(directory, Number(match[1]), Number(match[2])));
  }
  return found.sort((a, b) => a.pid - b.pid || a.n - b.n);
}

/** A VM's number and the place of its socket, until `release`. */
export interface VmClaim {
  /** Unique among this user's VMs on this host; from 1. */
  readonly vmid: number;
  readonly directory: string;
  readonly socket: VmSocketPlace;
  /** Gives the number back and removes the socket. Any number of times. */
  release(): void;
}

/** VMs that this process has had. */
let count = 0;

/**
 * Takes a number for a VM of this process: one more than the highest that lives. Takes some tenths of a millisecond. Throws
 * RuntimeDirectoryError.
 */
export function claimVm(directory: string): VmClaim {
  makeRuntimeDirectory(directory);
  const socket = place(directory, process.pid, count);
  // The name before it listens is one byte longer.
  if (Buffer.byteLength(socket.path) + 2 > SUN_PATH) {
    throw new RuntimeDirectoryError(`${directory}: too long a path for a socket; set XDG_RUNTIME_DIR to a shorter one`);
  }
  const owner = `${process.pid}.${processStart(process.pid)}`;
  const vmid = takeVmid(directory, owner);
  count++;
  return {
    vmid,
    directory,
    socket,
    release() {
      rmSync(socket.path, { force: true });
      const link = join(directory, `vmid.${vmid}`);
      if (ownerOf(link) === owner) rmSync(link, { force: true });
    },
  };
}

function takeVmid(directory: string, owner: string): number {
  let vmid = 1;
  for (const name of names(directory)) {
    const match = VMID.exec(name);
    if (match === null) removeUnfinished(join(directory, name), name);
    else if (!removeDeadVmid(join(directory, name))) vmid = Math.max(vmid, Number(match[1]) + 1);
  }
  for (; ; vmid++) {
    try {
      symlinkSync(owner, join(directory, `vmid.${vmid}`));
      return vmid;
    } catch (error) {
      // Another VM that starts at the same time took it: the next one, then.
      if (codeOf(error) !== 'EEXIST') throw new RuntimeDirectoryError(`${directory}: cannot write there (${codeOf(error)})`);
    }
  }
}

/** `<pid>.<start>` of a vmid's owner; undefined when the number is free. */
function ownerOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    // Gone meanwhile, or not a link: nobody's.
    return undefined;
  }
}

/** True when the number's owner was dead and it is free now. */
function removeDeadVmid(link: string): boolean {
  const owner = ownerOf(link);
  const match = OWNER.exec(owner ?? '');
  if (match !== null && isAlive(Number(match[1]), match[2])) return false;
  // Whoever found it dead too may have removed it, and a new VM taken it.
  if (ownerOf(link) === owner) rmSync(link, { force: true });
  return true;
}

/** Removes the socket of a process that died before it listened. */
function removeUnfinished(path: string, name: string): void {
  const match = UNFINISHED.exec(name);
  if (match !== null && !isAlive(Number(match[1]))) rmSync(path, { force: true });
}
