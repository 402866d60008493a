/**
 * In which order firmware tries the drives: the fw_cfg file `bootorder`.
 *
 * Specification: SeaBIOS, docs/Runtime_config: a path a line in the manner of Open Firmware, which names PCI slot and function, and of an IDE drive channel and
 * device. A zero ends the file.
 *
 * @module
 */
import type { DiskOptions } from './disks.ts';
import { IDE_FUNCTION, idePlaces, PIIX_SLOT } from './ide-slots.ts';
import { FIRST_SLOT } from './virtio-slots.ts';

export const BOOT_ORDER_FILE = 'bootorder';

/** The file for drives in the order of the options; disks before CDs, or CDs first. */
export function bootOrder(disks: readonly Pick<DiskOptions, 'interface'>[], first: 'disk' | 'cdrom' = 'disk'): Uint8Array {
  const places = idePlaces(disks);
  let slot = FIRST_SLOT;
  const paths = disks.map((_, i) => {
    const place = places[i];
    if (place === undefined) return `/pci@i0cf8/scsi@${(slot++).toString(16)}/disk@0,0`;
    return `/pci@i0cf8/ide@${PIIX_SLOT},${IDE_FUNCTION}/drive@${place >> 1}/disk@${place & 1}`;
  });
  const of = (cd: boolean): string[] => paths.filter((_, i) => (disks[i]?.interface === 'cdrom') === cd);
  const order = first === 'cdrom' ? [...of(true), ...of(false)] : [...of(false), ...of(true)];
  // Behind them nothing: without this line firmware goes on to drives that a PC has by convention, such as a floppy.
  return new TextEncoder().encode(`${[...order, 'HALT'].join('\n')}\0`);
}
