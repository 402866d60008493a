/**
 * Which frames a virtio NIC takes in: the receive mode, MAC tables and VLANs that its driver sets.
 *
 * Specification: virtio 1.2, sections 5.1.6.5.1 (receive mode), 5.1.6.5.2 (MAC tables), 5.1.6.5.3 (VLANs). A NIC whose driver set nothing takes everything.
 *
 * @module
 */
import type { DeviceState } from '../../vmm/bus.ts';
import { savedFlag, savedInts } from '../saved.ts';

/** Modes of the commands of class 0, in their order. */
export const MODES = ['promiscuous', 'allMulticast', 'allUnicast', 'noMulticast', 'noUnicast', 'noBroadcast'] as const;
export type Mode = (typeof MODES)[number];

const MAC_BYTES = 6;
/** Addresses of a table beyond these make it pass all. */
const TABLE_MAX = 256;
const VLAN_TYPE = 0x8100;
const VLANS = 4096;

/** A table of addresses; `undefined` passes all. */
type Table = ReadonlySet<number> | undefined;

export class NetFilter {
  private readonly modes: Record<Mode, boolean> = {
    promiscuous: true,
    allMulticast: false,
    allUnicast: false,
    noMulticast: false,
    noUnicast: false,
    noBroadcast: false,
  };
  private unicast: Table = new Set();
  private multicast: Table = new Set();
  /** VLANs that pass, a bit each; none was ever set: all pass. */
  private readonly vlans = new Uint8Array(VLANS / 8);
  private filtersVlans = false;

  reset(): void {
    for (const mode of MODES) this.modes[mode] = mode === 'promiscuous';
    this.unicast = new Set();
    this.multicast = new Set();
    this.vlans.fill(0);
    this.filtersVlans = false;
  }

  setMode(mode: Mode, on: boolean): void {
    this.modes[mode] = on;
  }

  /** The bytes of two tables, each a count of 32 bits and its addresses. False when they are not that. */
  setTables(bytes: Uint8Array): boolean {
    const first = tableOf(bytes, 0);
    const second = first === undefined ? undefined : tableOf(bytes, first.end);
    if (first === undefined || second === undefined) return false;
    this.unicast = first.table;
    this.multicast = second.table;
    return true;
  }

  setVlan(vlan: number, on: boolean): boolean {
    if (vlan >= VLANS) return false;
    const bit = 1 << (vlan & 7);
    const before = this.vlans[vlan >> 3] as number;
    this.vlans[vlan >> 3] = on ? before | bit : before & ~bit;
    return true;
  }

  /** From now on VLANs pass only when they were added. */
  filterVlans(): void {
    this.filtersVlans = true;
  }

  /** Whether a NIC with the address `mac` takes the frame in. */
  passes(frame: Uint8Array, mac: number): boolean {
    if (this.filtersVlans && !this.passesVlan(frame)) return false;
    const { modes } = this;
    if (modes.promiscuous) return true;
    const to = macAt(frame, 0);
    if (((frame[0] as number) & 1) === 0) return !modes.noUnicast && (modes.allUnicast || to === mac || has(this.unicast, to));
    if (to === BROADCAST) return !modes.noBroadcast;
    return !modes.noMulticast && (modes.allMulticast || has(this.multicast, to));
  }

  private passesVlan(frame: Uint8Array): boolean {
    if (frame.length < 16 || (((frame[12] as number) << 8) | (frame[13] as number)) !== VLAN_TYPE) return true;
    const vlan = (((frame[14] as number) & 15) << 8) | (frame[15] as number);
    return vlan === 0 || ((this.vlans[vlan >> 3] as number) & (1 << (vlan & 7))) !== 0;
  }

  save(): DeviceState {
    const { unicast, multicast, filtersVlans } = this;
    return {
      modes: MODES.map((mode) => Number(this.modes[mode])),
      unicast: unicast === undefined ? [] : [...unicast],
      multicast: multicast === undefined ? [] : [...multicast],
      allUnicast: unicast === undefined,
      allMulticast: multicast === undefined,
      vlans: Array.from(this.vlans),
      filtersVlans,
    };
  }

  restore(state: DeviceState): void {
    const modes = savedInts(state, 'modes', MODES.length, 0, 1);
    const table = (key: string): Set<number> => new Set(savedInts(state, key, savedLength(state[key]), 0, BROADCAST));
    const unicast = savedFlag(state, 'allUnicast') ? undefined : table('unicast');
    const multicast = savedFlag(state, 'allMulticast') ? undefined : table('multicast');
    const vlans = savedInts(state, 'vlans', VLANS / 8, 0, 0xff);
    this.filtersVlans = savedFlag(state, 'filtersVlans');
    MODES.forEach((mode, i) => {
      this.modes[mode] = modes[i] === 1;
    });
    this.unicast = unicast;
    this.multicast = multicast;
    this.vlans.set(vlans);
  }
}

function savedLength(value: unknown): number {
  return Array.isArray(value) && value.length <= TABLE_MAX ? value.length : -1;
}

const BROADCAST = 0xffff_ffff_ffff;

function has(table: Table, mac: number): boolean {
  return table === undefined || table.has(mac);
}

/** The MAC address at an offset as a number of 48 bits. */
export function macAt(bytes: Uint8Array, at: number): number {
  let mac = 0;
  for (let i = 0; i < MAC_BYTES; i++) mac = mac * 256 + (bytes[at + i] ?? 0);
  return mac;
}

function tableOf(bytes: Uint8Array, at: number): { readonly table: Table; readonly end: number } | undefined {
  if (bytes.length < at + 4) return undefined;
  const count = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0, true);
  const end = at + 4 + count * MAC_BYTES;
  if (bytes.length < end) return undefined;
  if (count > TABLE_MAX) return { table: undefined, end };
  return { table: new Set(Array.from({ length: count }, (_, i) => macAt(bytes, at + 4 + i * MAC_BYTES))), end };
}
