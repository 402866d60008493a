/**
 * Disk and CD images that boot by a BIOS through GRUB, made from Debian's packages without root.
 *
 * A disk has a partition table with one active partition from 1 MiB on, with the files in ext4 or FAT; GRUB's boot sector stands before the table and its
 * core image in the sectors behind, where the boot sector looks for it (its own defaults: sector 1). A CD has the files in ISO 9660 and boots the core image
 * by El Torito, without emulation of another medium.
 *
 * @module
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Packages } from './packages.ts';

export const DISK_PACKAGES = ['grub-pc-bin', 'grub-common'] as const;
export const CD_PACKAGES = [...DISK_PACKAGES, 'xorriso', 'libisoburn1', 'libisofs6', 'libburn4', 'libjte2'] as const;

const SECTOR = 512;
const MIB = 1048576;
/** Where the partition starts, and the room for the core image before it. */
const PARTITION = MIB;
const CORE_MAX = PARTITION - SECTOR;
const MODULES = [
  'biosdisk',
  'normal',
  'serial',
  'terminal',
  'linux',
  'linux16',
  'boot',
  'echo',
  'configfile',
  'reboot',
  'halt',
  'ls',
  'cat',
  'test',
];
const FOLDER = 'usr/lib/grub/i386-pc';

export interface GrubOptions {
  /** Files by path, `boot/vmlinuz`. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** grub.cfg. GRUB talks on the first serial port. */
  readonly config: string;
}

export interface GrubDiskOptions extends GrubOptions {
  readonly megabytes: number;
}

const SERIAL = 'serial --unit=0 --speed=115200\nterminal_input serial\nterminal_output serial\n';

/** Writes a disk image with an ext4 file system. */
export function grubDisk(packages: Packages, path: string, { files, config, megabytes }: GrubDiskOptions): void {
  inFolder((work) => {
    const root = place(work, { ...files, 'boot/grub/grub.cfg': new TextEncoder().encode(SERIAL + config) });
    const core = coreImage(packages, work, 'i386-pc', '(hd0,msdos1)', ['part_msdos', 'ext2']);
    if (core.length > CORE_MAX) throw new Error(`GRUB's core image has ${core.length} bytes, and there is room for ${CORE_MAX}`);
    writeFileSync(path, '');
    truncateSync(path, megabytes * MIB);
    const uuid = '00000000-0000-0000-0000-000000000005';
    const options = ['-q', '-t', 'ext4', '-U', uuid, '-E', `offset=${PARTITION},hash_seed=${uuid}`, '-d', root, path, `${megabytes - 1}M`];
    execFileSync('mke2fs', options, { stdio: ['ignore', 'ignore', 'pipe'] });
    const boot = readFileSync(join(packages.file(FOLDER), 'boot.img'));
    writeAt(path, 0, masterBootRecord(boot, megabytes));
    writeAt(path, SECTOR, core);
  });
}

/** Writes a CD image. */
export function grubCd(packages: Packages, path: string, { files, config }: GrubOptions): void {
  inFolder((work) => {
    const root = place(work, { ...files, 'boot/grub/grub.cfg': new TextEncoder().encode(SERIAL + config) });
    writeFileSync(join(root, 'boot/grub/eltorito.img'), coreImage(packages, work, 'i386-pc-eltorito', '(cd)', ['iso9660']));
    const boot = ['-b', 'boot/grub/eltorito.img', '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table'];
    packages.run('xorriso', ['-as', 'mkisofs', '-quiet', '-R', '-o', path, ...boot, root]);
  });
}

function inFolder(make: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'lucid-grub-'));
  try {
    make(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function place(work: string, files: Readonly<Record<string, Uint8Array>>): string {
  const root = join(work, 'root');
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
  }
  return root;
}

function coreImage(packages: Packages, work: string, format: string, root: string, modules: readonly string[]): Uint8Array {
  const core = join(work, 'core.img');
  const prefix = `${root}/boot/grub`;
  packages.run('grub-mkimage', ['-O', format, '-d', packages.file(FOLDER), '-o', core, '-p', prefix, ...modules, ...MODULES]);
  return readFileSync(core);
}

/** GRUB's boot sector with a partition table: one entry, active, Linux, from 1 MiB to the end. */
function masterBootRecord(boot: Uint8Array, megabytes: number): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  bytes.set(boot.subarray(0, 440));
  const view = new DataView(bytes.buffer);
  bytes.set([0x80, 0x00, 0x02, 0x00, 0x83, 0xff, 0xff, 0xff], 446);
  view.setUint32(454, PARTITION / SECTOR, true);
  view.setUint32(458, ((megabytes - 1) * MIB) / SECTOR, true);
  view.setUint16(510, 0xaa55, true);
  return bytes;
}

function writeAt(path: string, offset: number, bytes: Uint8Array): void {
  const fd = openSync(path, 'r+');
  try {
    writeSync(fd, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(fd);
  }
}
