/**
 * What a file is: the boot kinds by their signatures, everything else in words that tell the user what was given instead.
 *
 * @module
 */
import { isBzImage } from './bzimage.ts';
import { isElf, parseElf } from './elf.ts';
import { BootError, type BootKind } from './entry.ts';
import { wholeFile } from './image-file.ts';
import { findHeader } from './multiboot.ts';
import { pvhEntry } from './pvh.ts';

/** Signatures of files that are not boot images: offset, bytes in hexadecimal, what it is. */
const OTHERS: readonly (readonly [number, string, string])[] = [
  [0, '1f8b', 'a gzip file; unpack it first (gunzip)'],
  [0, 'fd377a585a00', 'an XZ file; unpack it first (unxz)'],
  [0, '28b52ffd', 'a zstd file; unpack it first (unzstd)'],
  [0, '425a68', 'a bzip2 file; unpack it first (bunzip2)'],
  [0, '04224d18', 'an LZ4 file; unpack it first (unlz4)'],
  [0, '02214c18', 'an LZ4 file; unpack it first (unlz4)'],
  [0, '303730373031', 'a cpio archive; that is an initramfs, for --initrd'],
  [0, '303730373032', 'a cpio archive; that is an initramfs, for --initrd'],
  [0, '213c617263683e0a', 'an ar archive or Debian package; unpack it first (dpkg-deb -x)'],
  [0, '514649fb', 'a qcow2 disk image'],
  [0, '504b0304', 'a zip archive'],
  [0, '2321', 'a script'],
  [0x38, '41524d64', 'an arm64 kernel'],
  [0x38, '52534305', 'a RISC-V kernel'],
  [0x8001, '4344303031', 'a CD image'],
  [257, '7573746172', 'a tar archive'],
  [0, '4d5a', 'a PE executable (EFI or Windows) that is no bzImage'],
  [510, '55aa', 'a boot sector or disk image'],
];

function hasAt(file: Uint8Array, at: number, hex: string): boolean {
  for (let i = 0; i < hex.length / 2; i++) {
    if (file[at + i] !== Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)) return false;
  }
  return true;
}

function isText(file: Uint8Array): boolean {
  return file.subarray(0, 256).every((b) => b === 9 || b === 10 || b === 13 || (b >= 32 && b < 127));
}

/** As far as a multiboot header is looked for that is too late in the file, as linkers that align sections to pages put it. */
const LATE = 1 << 20;

const MULTIBOOT2_MAGIC = 0xe852_50d6;

function hasMultiboot2(file: Uint8Array): boolean {
  const end = Math.min(file.length, 32768) - 16;
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  for (let at = 0; at <= end; at += 8) if (view.getUint32(at, true) === MULTIBOOT2_MAGIC) return true;
  return false;
}

/** What the file looks like, in a few words; never throws. */
export function describe(file: Uint8Array): string {
  if (file.length === 0) return 'empty';
  for (const [at, hex, what] of OTHERS) if (hasAt(file, at, hex)) return what;
  const late = findHeader(file, LATE);
  if (late !== undefined)
    return `a multiboot header at ${late.at}, beyond the first 8192 bytes of the file; put its section first (ld -N or -z noseparate-code helps)`;
  if (isElf(file))
    return hasMultiboot2(file) ? 'an ELF file with a multiboot 2 header only' : 'an ELF file without a PVH note or multiboot header';
  if (hasMultiboot2(file)) return 'a file with a multiboot 2 header only';
  if (file.subarray(0, 4096).every((b) => b === 0)) return 'nothing but zero bytes at its start';
  if (isText(file)) return 'text';
  return `unknown data (first bytes ${Array.from(file.subarray(0, 4), (b) => b.toString(16).padStart(2, '0')).join(' ')})`;
}

/** The boot kind by the file's own signatures; throws BootError that says what it looks like when there is none. */
export function recognise(file: Uint8Array): BootKind {
  if (isBzImage(file)) return 'bzimage';
  if (isElf(file)) {
    // A damaged ELF file has its own reason; it need not be searched for other headers.
    parseElf(wholeFile(file));
    if (pvhEntry(wholeFile(file)) !== undefined) return 'pvh';
  }
  if (findHeader(file) !== undefined) return 'multiboot';
  throw new BootError(`${describe(file)}; a bzImage, an ELF file with a PVH note or a multiboot 1 image is needed`);
}
