/**
 * Firmware configuration device: a selector at port 510h, a byte stream of the selected item at 511h.
 *
 * Specification: QEMU's docs/specs/fw_cfg.rst (selector and data registers, signature, revision, file directory), the interface that SeaBIOS and small
 * guests look for. The traditional interface only: the revision item says that there is no DMA. Items are read-only, and their bytes are the
 * board's; the selector is little-endian as on every x86 board, the directory big-endian.
 *
 * @module
 */
import type { AccessSize, DeviceState, PortBus, PortDevice, Saveable } from '../vmm/bus.ts';
import { savedInt } from './saved.ts';

export const FWCFG_PORT = 0x510;

// Well-known keys of the specification.
export const FWCFG_SIGNATURE = 0x00;
export const FWCFG_ID = 0x01;
export const FWCFG_RAM_SIZE = 0x03;
export const FWCFG_CPUS = 0x05;
export const FWCFG_MAX_CPUS = 0x0f;
const FILE_DIRECTORY = 0x19;
const FIRST_FILE = 0x20;
const LAST_KEY = 0x3fff;
/** Bit 15 chooses the items of the architecture, of which there are none; bit 14 meant writing. */
const KEY_BITS = 0xbfff;
const TRADITIONAL = 1;
const NAME_BYTES = 56;
const ENTRY_BYTES = 64;

export class FwCfg implements PortDevice, Saveable {
  private readonly items = new Map<number, Uint8Array>();
  private readonly files = new Map<string, Uint8Array>();
  private key = 0;
  private offset = 0;

  constructor() {
    this.add(
      FWCFG_SIGNATURE,
      Uint8Array.from('QEMU', (c) => c.charCodeAt(0)),
    );
    this.add(FWCFG_ID, little(TRADITIONAL, 4));
    this.indexFiles();
  }

  attach(ports: PortBus): void {
    ports.addPorts(FWCFG_PORT, 2, this, 'fwcfg');
  }

  /** Sets an item by key (0 to 3FFFh); keys from 20h on belong to files. */
  add(key: number, bytes: Uint8Array): void {
    if (!Number.isInteger(key) || key < 0 || key >= FIRST_FILE || key === FILE_DIRECTORY) throw new RangeError(`not a fw_cfg item: ${key}`);
    this.items.set(key, bytes);
  }

  /** Sets an item that is a number of `bytes` bytes, little-endian. */
  addNumber(key: number, value: number, bytes: number): void {
    this.add(key, little(value, bytes));
  }

  /** Adds a file; the name is ASCII of at most 55 characters, as `etc/e820`. */
  addFile(name: string, bytes: Uint8Array): void {
    if (!/^[\x21-\x7e]{1,55}$/.test(name)) throw new RangeError(`not a fw_cfg file name: ${name}`);
    if (this.files.size > LAST_KEY - FIRST_FILE) throw new RangeError('too many fw_cfg files');
    this.files.set(name, bytes);
    this.indexFiles();
  }

  portRead(port: number, size: AccessSize): number {
    if (port !== FWCFG_PORT + 1) return 2 ** (8 * size) - 1;
    const item = this.items.get(this.key);
    let value = 0;
    // The data register is a byte wide: a wider access reads further bytes. Past the end, zeros.
    for (let i = 0; i < size; i++) value |= (item?.[this.offset++] ?? 0) << (8 * i);
    if (item === undefined || this.offset > item.length) this.offset = item?.length ?? 0;
    return value >>> 0;
  }

  /** Writing the selector starts the item from its first byte; writes to the data register are ignored, as since QEMU 2.4. */
  portWrite(port: number, size: AccessSize, value: number): void {
    if (port !== FWCFG_PORT || size === 1) return;
    this.key = value & KEY_BITS;
    this.offset = 0;
  }

  reset(): void {
    this.key = 0;
    this.offset = 0;
  }

  /** The items are configuration, not state. */
  save(): DeviceState {
    return { key: this.key, offset: this.offset };
  }

  restore(state: DeviceState): void {
    const key = savedInt(state, 'key', 0, KEY_BITS);
    this.offset = savedInt(state, 'offset', 0, this.items.get(key)?.length ?? 0);
    this.key = key;
  }

  /** Keys and directory follow the names' order, so that they do not depend on who added first. */
  private indexFiles(): void {
    const names = [...this.files.keys()].sort();
    const directory = new Uint8Array(4 + names.length * ENTRY_BYTES);
    const view = new DataView(directory.buffer);
    view.setUint32(0, names.length);
    names.forEach((name, i) => {
      const bytes = this.files.get(name) ?? new Uint8Array(0);
      const at = 4 + i * ENTRY_BYTES;
      view.setUint32(at, bytes.length);
      view.setUint16(at + 4, FIRST_FILE + i);
      for (let c = 0; c < name.length && c < NAME_BYTES - 1; c++) directory[at + 8 + c] = name.charCodeAt(c);
      this.items.set(FIRST_FILE + i, bytes);
    });
    this.items.set(FILE_DIRECTORY, directory);
  }
}

function little(value: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256);
}
