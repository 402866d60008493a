/**
 * An initramfs: a cpio archive in the "newc" format (Linux, Documentation/driver-api/early-userspace/buffer-format.rst; cpio(5)).
 *
 * The same contents give the same bytes: no times, no owners, inode numbers by order. Leaves out: compression, hard links, checksums (070702).
 *
 * @module
 */

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const S_IFCHR = 0o020000;

/** One entry. Paths have no leading slash; a folder stands before what is in it. */
export interface CpioEntry {
  readonly path: string;
  /** File type and permissions, as stat's st_mode. */
  readonly mode: number;
  readonly data?: Uint8Array;
  /** Device number of a character device. */
  readonly device?: readonly [major: number, minor: number];
}

export const folder = (path: string, permissions = 0o755): CpioEntry => ({ path, mode: S_IFDIR | permissions });
export const file = (path: string, data: Uint8Array, permissions = 0o644): CpioEntry => ({ path, mode: S_IFREG | permissions, data });
export const link = (path: string, target: string): CpioEntry => ({ path, mode: S_IFLNK | 0o777, data: new TextEncoder().encode(target) });
export const device = (path: string, major: number, minor: number, permissions = 0o600): CpioEntry => ({
  path,
  mode: S_IFCHR | permissions,
  device: [major, minor],
});

const HEADER = 110;
const up4 = (n: number): number => (n + 3) & ~3;
/** The kernel reads the archive to its end; other tools expect blocks of 512 bytes. */
const BLOCK = 512;

function header(entry: CpioEntry, inode: number, nameBytes: number): string {
  const [major, minor] = entry.device ?? [0, 0];
  const links = (entry.mode & 0o170000) === S_IFDIR ? 2 : 1;
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [inode, entry.mode, 0, 0, links, 0, entry.data?.length ?? 0, 0, 0, major, minor, nameBytes, 0];
  return `070701${fields.map((n) => n.toString(16).padStart(8, '0')).join('')}`;
}

/** The archive. */
export function cpio(entries: readonly CpioEntry[]): Uint8Array {
  const all: CpioEntry[] = [...entries, { path: 'TRAILER!!!', mode: 0 }];
  const names = all.map((entry) => new TextEncoder().encode(`${entry.path}\0`));
  const size = all.reduce((sum, entry, i) => sum + up4(HEADER + (names[i]?.length ?? 0)) + up4(entry.data?.length ?? 0), 0);
  const out = new Uint8Array(Math.ceil(size / BLOCK) * BLOCK);
  let at = 0;
  all.forEach((entry, i) => {
    const name = names[i] as Uint8Array;
    // The trailer's inode is 0.
    const inode = i < entries.length ? i + 1 : 0;
    new TextEncoder().encodeInto(header(entry, inode, name.length), out.subarray(at, at + HEADER));
    out.set(name, at + HEADER);
    at += up4(HEADER + name.length);
    if (entry.data !== undefined) {
      out.set(entry.data, at);
      at += up4(entry.data.length);
    }
  });
  return out;
}

/** Bump when the archive's layout changes: cached archives are named for it and for INIT. */
export const RECIPE = 1;

/** The reference guest's first process: proves that user land runs, then powers off. */
export const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
echo BOOT-OK
/bin/busybox poweroff -f
`;

/** The reference guest's initramfs: a static busybox and /init. */
export function bootOkInitramfs(busybox: Uint8Array, init = INIT): Uint8Array {
  return cpio([
    ...['bin', 'dev', 'proc', 'sys'].map((path) => folder(path)),
    // The kernel opens /dev/console for init before devtmpfs is mounted.
    device('dev/console', 5, 1),
    file('bin/busybox', busybox, 0o755),
    link('bin/sh', 'busybox'),
    file('init', new TextEncoder().encode(init), 0o755),
  ]);
}

/**
 * The same with drivers in /m, which /init finds as `$MODULES` in their order, and every applet of busybox in /bin; `script` is what it does once they are in.
 */
export function driverInitramfs(
  busybox: Uint8Array,
  modules: readonly { readonly name: string; readonly bytes: Uint8Array }[],
  script: string,
): Uint8Array {
  const init = `#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in ${modules.map(({ name }) => name).join(' ')}; do insmod /m/$module.ko; done
${script}
poweroff -f
`;
  return cpio([
    ...['bin', 'dev', 'proc', 'sys', 'mnt', 'm'].map((path) => folder(path)),
    device('dev/console', 5, 1),
    file('bin/busybox', busybox, 0o755),
    link('bin/sh', 'busybox'),
    ...modules.map(({ name, bytes }) => file(`m/${name}.ko`, bytes)),
    file('init', new TextEncoder().encode(init), 0o755),
  ]);
}
