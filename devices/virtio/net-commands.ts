/**
 * The commands of a virtio NIC's control queue.
 *
 * Specification: virtio 1.2, sections 5.1.6.5.1 (receive mode), 5.1.6.5.2 (MAC addresses), 5.1.6.5.3 (VLANs), 5.1.6.5.4 (announcement), 5.1.6.5.6 (offloads
 * for the guest). Each is refused when the feature that it belongs to was not negotiated.
 *
 * @module
 */
import {
  F_CTRL_GUEST_OFFLOADS,
  F_CTRL_MAC_ADDR,
  F_CTRL_RX,
  F_CTRL_RX_EXTRA,
  F_CTRL_VLAN,
  F_GUEST_ANNOUNCE,
  guestOffloads,
} from './net-features.ts';
import { MODES, type NetFilter } from './net-filter.ts';

/** Classes of control commands (5.1.6.5). */
const CTRL_RX = 0;
const CTRL_MAC = 1;
const CTRL_VLAN = 2;
const CTRL_ANNOUNCE = 3;
const CTRL_GUEST_OFFLOADS = 5;
const MAC_TABLE_SET = 0;
const MAC_ADDR_SET = 1;
const VLAN_ADD = 0;
const VLAN_DEL = 1;
const OK = 0;
const ERR = 1;

/** What commands change beside the filter. */
export interface CommandedNic {
  has(feature: number): boolean;
  /** False: the NIC keeps the one that it has. */
  setMac(mac: Uint8Array): boolean;
  setGuestOffloads(bits: number): void;
  announced(): void;
}

export class NetCommands {
  private readonly filter: NetFilter;
  private readonly nic: CommandedNic;

  constructor(filter: NetFilter, nic: CommandedNic) {
    this.filter = filter;
    this.nic = nic;
  }

  /** Does a command, class and number before its data; the byte that answers it. */
  answer(bytes: Uint8Array): number {
    return bytes.length >= 2 && this.perform(bytes[0] as number, bytes[1] as number, bytes.subarray(2)) ? OK : ERR;
  }

  private perform(kind: number, command: number, data: Uint8Array): boolean {
    switch (kind) {
      case CTRL_RX:
        return this.receiveMode(command, data);
      case CTRL_MAC:
        return this.macCommand(command, data);
      case CTRL_VLAN:
        return this.vlanCommand(command, data);
      case CTRL_ANNOUNCE:
        if (!this.nic.has(F_GUEST_ANNOUNCE) || command !== 0) return false;
        this.nic.announced();
        return true;
      case CTRL_GUEST_OFFLOADS:
        return command === 0 && this.setGuestOffloads(data);
      default:
        return false;
    }
  }

  private receiveMode(command: number, data: Uint8Array): boolean {
    const mode = MODES[command];
    const allowed = this.nic.has(command < 2 ? F_CTRL_RX : F_CTRL_RX_EXTRA);
    if (mode === undefined || !allowed || data.length < 1 || (data[0] as number) > 1) return false;
    this.filter.setMode(mode, data[0] === 1);
    return true;
  }

  private macCommand(command: number, data: Uint8Array): boolean {
    if (command === MAC_TABLE_SET) return this.nic.has(F_CTRL_RX) && this.filter.setTables(data);
    if (command !== MAC_ADDR_SET || !this.nic.has(F_CTRL_MAC_ADDR) || data.length !== 6) return false;
    return this.nic.setMac(data);
  }

  private vlanCommand(command: number, data: Uint8Array): boolean {
    if (!this.nic.has(F_CTRL_VLAN) || data.length < 2 || (command !== VLAN_ADD && command !== VLAN_DEL)) return false;
    if (!this.filter.setVlan((data[0] as number) | ((data[1] as number) << 8), command === VLAN_ADD)) return false;
    this.filter.filterVlans();
    return true;
  }

  private setGuestOffloads(data: Uint8Array): boolean {
    if (!this.nic.has(F_CTRL_GUEST_OFFLOADS) || data.length < 8) return false;
    const view = new DataView(data.buffer, data.byteOffset);
    const bits = view.getUint32(0, true);
    if ((bits & ~guestOffloads((feature) => this.nic.has(feature))) !== 0 || view.getUint32(4, true) !== 0) return false;
    this.nic.setGuestOffloads(bits);
    return true;
  }
}
