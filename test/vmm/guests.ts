/** Guests for the tests of the VM: a multiboot ELF around a few bytes of 32-bit code, and the built-in guest. */
import { readFileSync } from 'node:fs';
import { Machine, type MachineOptions } from '../../vmm/machine.ts';

/** Where `multiboot` puts its code. */
export const CODE = 0x10000c;

/** A 32-bit ELF with a multiboot header; `code` starts at CODE in flat protected mode. */
export function multiboot(code: readonly number[]): Uint8Array {
  const image = new Uint8Array(12 + code.length);
  const header = new DataView(image.buffer);
  header.setUint32(0, 0x1badb002, true);
  header.setUint32(8, -0x1badb002 >>> 0, true);
  image.set(code, 12);
  const file = new Uint8Array(0x1000 + image.length);
  const elf = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  elf.setUint16(16, 2, true); // ET_EXEC
  elf.setUint16(18, 3, true); // EM_386
  elf.setUint32(20, 1, true);
  elf.setUint32(24, CODE, true); // e_entry
  elf.setUint32(28, 52, true); // e_phoff
  elf.setUint16(40, 52, true); // e_ehsize
  elf.setUint16(42, 32, true); // e_phentsize
  elf.setUint16(44, 1, true); // e_phnum
  elf.setUint32(52, 1, true); // PT_LOAD
  elf.setUint32(56, 0x1000, true); // p_offset
  elf.setUint32(60, 0x100000, true); // p_vaddr
  elf.setUint32(64, 0x100000, true); // p_paddr
  elf.setUint32(68, image.length, true); // p_filesz
  elf.setUint32(72, image.length, true); // p_memsz
  elf.setUint32(76, 7, true);
  elf.setUint32(80, 0x1000, true);
  file.set(image, 0x1000);
  return file;
}

export function builtinGuest(): Uint8Array {
  return readFileSync(new URL('../../images/builtin/lucid-guest.elf', import.meta.url));
}

/** A machine that has booted `kernel`, and what it wrote to COM1. */
export function machineWith(kernel: Uint8Array, options: Partial<MachineOptions> = {}): { machine: Machine; console(): string } {
  const bytes: number[] = [];
  const machine = Machine.createSync({
    memory: '16M',
    load: () => ({ kernel, kernelName: 'kernel' }),
    output: (byte) => bytes.push(byte),
    ...options,
  });
  const boot = machine.boot();
  if (!boot.ok) throw new Error(boot.reason);
  return { machine, console: () => String.fromCharCode(...bytes) };
}
