/**
 * The board's VGA: its block of shared bytes, its text buffer in guest RAM, its video BIOS.
 *
 * The hole that a PC's memory has at A0000h is backed by bytes all the same. The 32 KB of them at B8000h are the text buffer: a memory slot puts them into the
 * guest's address space while text modes have them plain, so writing to the screen is writing to RAM.
 *
 * @module
 */
import { Vga } from '../devices/vga.ts';
import type { TextMapping } from '../devices/vga-memory.ts';
import { TEXT } from '../devices/vga-state.ts';
import { MEMORY_MAP } from './cpu/layout.ts';
import type { Vm } from './vm.ts';

export interface VideoOptions {
  /** VGA_BYTES, zero: shared with whoever looks at the screen. */
  readonly state: Uint8Array;
  /** An option ROM for firmware to run. */
  readonly bios?: Uint8Array;
}

/** Where SeaBIOS looks for video BIOSes that belong to no PCI function. */
export const VIDEO_BIOS_FILE = 'vgaroms/vgabios.bin';

const HOST = MEMORY_MAP.RAM_BASE + TEXT.gpa;

/** Puts a VGA onto the board; the caller keeps its state and resets it. */
export function addVideo(vm: Vm, { state }: VideoOptions): Vga {
  const vga = new Vga({ clock: vm.clock, state, text: textMapping(vm) });
  vga.attachMemory(vm.mmio);
  vm.blobs.set('vga', vga);
  return vga;
}

function textMapping(vm: Vm): TextMapping {
  const bytes = vm.ram.bytes.subarray(HOST, HOST + TEXT.bytes);
  return {
    bytes,
    map(on) {
      const others = vm.ram.slots.filter((slot) => slot.gpa !== TEXT.gpa);
      // A restored VM has its slots and TLBs already.
      if (on !== (others.length === vm.ram.slots.length)) return;
      vm.ram.setSlots(on ? [...others, { ...TEXT, host: HOST, readOnly: false }] : others);
      vm.ram.written(HOST, TEXT.bytes);
      // Decoded code stays: it is known by where it is in the host's memory, which has not changed hands.
      for (const vcpu of vm.vcpus) vm.core.tlbFlush(vcpu.base, 1);
    },
  };
}
