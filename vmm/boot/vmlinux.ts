/**
 * The kernel inside a bzImage: boot.rst, fields payload_offset and payload_length (protocol 2.08), unpacked by the monitor.
 *
 * LZ4, gzip and zstd payloads. Leaves out: XZ, LZMA, bzip2 and LZO, which such a kernel unpacks itself when entered as a bzImage.
 *
 * @module
 */
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { parseBzImage } from './bzimage.ts';
import { BootError } from './entry.ts';
import { type ImageFile, wholeFile } from './image-file.ts';
import { Lz4LegacyFile } from './lz4.ts';

/** No kernel is larger than its link address range (MODULES_VADDR - __START_KERNEL_map, 1 GiB). */
const MAX_VMLINUX = 0x4000_0000;

/** First bytes of the payload by compressor, as lib/decompress.c knows them. */
const FORMATS: readonly (readonly [string, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['bzip2', [0x42, 0x5a]],
  ['lzma', [0x5d, 0x00]],
  ['xz', [0xfd, 0x37]],
  ['lzo', [0x89, 0x4c]],
  ['lz4', [0x02, 0x21]],
  ['zstd', [0x28, 0xb5]],
];

function formatOf(payload: Uint8Array): string | undefined {
  return FORMATS.find(([, magic]) => magic.every((byte, i) => payload[i] === byte))?.[0];
}

/** The payload as it unpacks (an ELF vmlinux, relocations behind it); throws BootError with the reason when there is none. */
export function unpackVmlinux(bzImage: Uint8Array): ImageFile {
  const { payload } = parseBzImage(bzImage);
  if (payload === undefined || payload.length < 8)
    throw new BootError('the bzImage header names no payload to unpack (boot protocol 2.08)');
  const format = formatOf(payload);
  const unpacked = unpack(payload, format);
  if (unpacked === null) throw new BootError(`the ${format} payload of the bzImage is damaged`);
  return unpacked;
}

function unpack(payload: Uint8Array, format: string | undefined): ImageFile | null {
  // The build appends the unpacked size (arch/x86/boot/compressed/Makefile, size_append); gzip ends in it by itself.
  const size = new DataView(payload.buffer, payload.byteOffset, payload.length).getUint32(payload.length - 4, true);
  if (size > MAX_VMLINUX) return null;
  switch (format) {
    case 'lz4':
      return Lz4LegacyFile.open(payload.subarray(0, payload.length - 4), size);
    case 'gzip':
      return guarded(() => gunzipSync(payload, { maxOutputLength: size + 1 }));
    case 'zstd':
      return guarded(() => zstdDecompressSync(payload.subarray(0, payload.length - 4), { maxOutputLength: size + 1 }));
    case undefined:
      throw new BootError('the payload of the bzImage is packed in an unknown way; lz4, gzip and zstd are unpacked here');
    default:
      throw new BootError(
        `the payload of the bzImage is packed with ${format}; lz4, gzip and zstd are unpacked here (enter it as a bzImage instead)`,
      );
  }
}

/** zlib throws on damaged input. */
function guarded(inflate: () => Uint8Array): ImageFile | null {
  try {
    return wholeFile(inflate());
  } catch {
    return null;
  }
}

/** The ELF inside a bzImage, or null when it cannot be unpacked. */
export function extractVmlinux(bzImage: Uint8Array): Uint8Array | null {
  try {
    const file = unpackVmlinux(bzImage);
    return file.part(0, file.length);
  } catch (error) {
    if (error instanceof BootError) return null;
    throw error;
  }
}
