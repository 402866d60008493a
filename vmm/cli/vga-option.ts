/**
 * `--vga`: a VGA on the board, and its video BIOS.
 *
 * @module
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RunOptions } from '../worker-messages.ts';
import { UsageError } from './options.ts';

/** SeaBIOS's video BIOS for a VGA without PCI. */
const VIDEO_BIOS = 'vgabios-isavga.bin';

export type VideoSettings = Pick<RunOptions, 'vga' | 'vgaBios'>;

/** `none`, `text` or `text,rom=FILE`; firmware gets the video BIOS that stands beside it unless told. Throws UsageError. */
export function parseVga(text: string | undefined, bios: string | undefined): VideoSettings {
  if (text === undefined || text === 'none') return {};
  const match = /^text(?:,rom=(.+))?$/s.exec(text);
  if (match === null) throw new UsageError(`--vga ${text}: unknown; there is text, text,rom=FILE, none`);
  const rom = match[1];
  if (bios === undefined) {
    if (rom !== undefined) throw new UsageError(`--vga ${text}: only firmware runs a video BIOS; leave rom= out`);
    return { vga: 'text' };
  }
  const beside = join(dirname(bios), VIDEO_BIOS);
  if (rom === undefined && !existsSync(beside)) {
    throw new UsageError(`--vga text: there is no ${beside}, and firmware shows nothing without a video BIOS; give --vga text,rom=FILE`);
  }
  return { vga: 'text', vgaBios: rom ?? beside };
}
