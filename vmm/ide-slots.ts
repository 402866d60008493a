/**
 * The board's PIIX3 at slot 1: the ISA bridge, and which place of its IDE function each drive has (`ide-drives.ts`).
 *
 * Disks take the four places from the first on, CD-ROMs from the secondary master on, where BIOSes and people expect them.
 *
 * @module
 */
import { PiixIsa } from '../devices/piix-isa.ts';
import { Pci } from '../devices/pci.ts';
import type { IrqLine } from './bus.ts';
import { IDE_DRIVES_MAX } from './drive-limits.ts';
import type { DiskInterface, DiskOptions } from './disks.ts';

export const PIIX_SLOT = 1;
export const IDE_FUNCTION = 1;

export type Line = (n: number) => IrqLine;
type IdeInterface = Exclude<DiskInterface, 'virtio'>;

/** Places in the order in which each kind takes them: primary master and slave, secondary master and slave are 0 to 3. */
const ORDER: Readonly<Record<IdeInterface, readonly number[]>> = { ide: [0, 1, 2, 3], cdrom: [2, 3, 0, 1] };

/** The IDE place of each disk; undefined for one that is not IDE. Throws RangeError when there are too many. */
export function idePlaces(disks: readonly Pick<DiskOptions, 'interface'>[]): (number | undefined)[] {
  const taken = new Set<number>();
  return disks.map(({ interface: kind = 'virtio' }) => {
    if (kind === 'virtio') return undefined;
    const place = ORDER[kind].find((at) => !taken.has(at));
    if (place === undefined) throw new RangeError(`at most ${IDE_DRIVES_MAX} IDE drives`);
    taken.add(place);
    return place;
  });
}

/** The PCI bus with INTx on `lines`, and the PIIX3 when it is wanted: its router brings the same lines to the 8259s. */
export function pciBus(lines: readonly number[], line: Line, withPiix: boolean): Pci {
  if (!withPiix) return new Pci({ lines: lines.map(line) });
  const bridge = new PiixIsa(line);
  const joined = lines.map((n, i): IrqLine => {
    const ioapic = line(n);
    const router = bridge.input(i);
    return {
      set(level) {
        ioapic.set(level);
        router.set(level);
      },
    };
  });
  const pci = new Pci({ lines: joined });
  pci.add(PIIX_SLOT, 0, bridge);
  return pci;
}
