/**
 * As much of a PC's BIOS as real-mode setup code and a kernel's trampolines call: interrupt vectors, a BIOS data area, and a few services.
 *
 * INT 12h (base memory), INT 15h AX=E820h (ACPI 15.1), AX=E801h and AH=88h (extended memory); hardware interrupts are acknowledged;
 * INT 18h and INT 19h (boot something else) stop for ever, because there is nothing; every other service returns with CF set, "not supported".
 * The code stands in the extended BIOS data area, 0x9FC0:0, which the memory map reserves.
 *
 * Leaves out: video, keyboard, disk and PCI services. It is no firmware: booting from a disk needs a real one.
 *
 * @module
 */
import { E820_RAM, EBDA, type E820Entry, writeE820 } from './e820.ts';

/** Where the stub goes. */
export const BIOS_STUB_AT = EBDA;
const STUB_SIZE = 0x400;

// Entry points and data of the stub, offsets from its segment.
const IRQ_MASTER = 0x10;
const IRQ_SLAVE = 0x18;
const NOT_SUPPORTED = 0x22;
const INT_12 = 0x2c;
const IRET = 0x2f;
const INT_15 = 0x3c;
const NOTHING_TO_BOOT = 0xa8;
const COUNT = 0xe0;
const KB_TO_16M = 0xe2;
const BLOCKS_64K = 0xe4;
const KB_TO_64M = 0xe6;
const TABLE = 0x100;
const TABLE_MAX = Math.floor((STUB_SIZE - TABLE) / 20);

/** 16-bit code at its offsets, with its source. */
const CODE: readonly (readonly [number, string])[] = [
  [IRQ_MASTER, '50 b020 e620 58 cf'], // push ax; mov al,20h; out 20h,al; pop ax; iret
  [IRQ_SLAVE, '50 b020 e6a0 e620 58 cf'], // push ax; mov al,20h; out a0h,al; out 20h,al; pop ax; iret
  [NOT_SUPPORTED, '55 89e5 804e0601 5d cf'], // push bp; mov bp,sp; or byte [bp+6],1 (CF of the caller); pop bp; iret
  [INT_12, 'b87f02'], // mov ax,639
  [IRET, 'cf'], // iret
  [0x30, '55 89e5 806606fe 5d cf'], // done: push bp; mov bp,sp; and byte [bp+6],~1; pop bp; iret
  [INT_15, '663d20e80000 7423'], // cmp eax,e820h; je e820
  [0x44, '3d01e8 7409 80fc88 7413'], // cmp ax,e801h; je e801; cmp ah,88h; je h88
  [0x4e, 'b486 ebd0'], // fail: mov ah,86h; jmp not_supported
  [0x52, '2ea1e200 89c1 2e8b1ee400 89da ebcf'], // e801: mov ax,cs:[KB]; mov cx,ax; mov bx,cs:[BLOCKS]; mov dx,bx; jmp done
  [0x61, '2ea1e600 ebc9'], // h88: mov ax,cs:[KB_TO_64M]; jmp done
  [0x67, '6681fa50414d53 75de'], // e820: cmp edx,'SMAP'; jne fail
  [0x70, '2e3b1ee000 73d7'], // cmp bx,cs:[COUNT]; jae fail
  [0x77, '56 57 6bf314 81c60001'], // push si; push di; imul si,bx,20; add si,TABLE
  [0x80, 'b90a00 fc 2ef3a5 5f 5e'], // mov cx,10; cld; rep movsw es:[di],cs:[si]; pop di; pop si
  [0x89, '43 2e3b1ee000 7202 31db'], // inc bx; cmp bx,cs:[COUNT]; jb 1f; xor bx,bx
  [0x93, '660fb7db 66b914000000 6689d0 eb8e'], // 1: movzx ebx,bx; mov ecx,20; mov eax,edx; jmp done
  [NOTHING_TO_BOOT, 'fa f4 ebfc'], // 1: cli; hlt; jmp 1b
];

function hex(text: string): Uint8Array {
  const digits = text.replaceAll(' ', '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

/** Usable bytes that follow `base` without a gap. */
function extent(map: readonly E820Entry[], base: number): number {
  const entry = map.find((e) => e.type === E820_RAM && e.base <= base && e.base + e.length > base);
  return entry === undefined ? 0 : entry.base + entry.length - base;
}

/** The code with the memory map that it reports. */
export function biosStub(map: readonly E820Entry[]): Uint8Array {
  const bytes = new Uint8Array(STUB_SIZE);
  const view = new DataView(bytes.buffer);
  // The EBDA begins with its size in KB.
  view.setUint8(0, STUB_SIZE / 1024);
  for (const [at, code] of CODE) bytes.set(hex(code), at);
  const entries = map.slice(0, TABLE_MAX);
  view.setUint16(COUNT, entries.length, true);
  entries.forEach((entry, i) => {
    writeE820(view, TABLE + i * 20, entry);
  });
  const above1M = extent(map, 0x10_0000);
  view.setUint16(KB_TO_16M, Math.min(above1M / 1024, 0x3c00), true);
  view.setUint16(BLOCKS_64K, Math.min(extent(map, 0x100_0000) / 0x1_0000, 0xffff), true);
  view.setUint16(KB_TO_64M, Math.min(above1M / 1024, 0xfc00), true);
  return bytes;
}

/** Page 0: the interrupt vector table and the BIOS data area up to the base memory size. */
export const VECTORS: Uint8Array = (() => {
  const bytes = new Uint8Array(0x415);
  const view = new DataView(bytes.buffer);
  const entry = (vector: number): number => {
    if (vector >= 0x08 && vector < 0x10) return IRQ_MASTER;
    if (vector >= 0x70 && vector < 0x78) return IRQ_SLAVE;
    if (vector === 0x12) return INT_12;
    if (vector === 0x15) return INT_15;
    if (vector === 0x18 || vector === 0x19) return NOTHING_TO_BOOT;
    return vector >= 0x10 && vector < 0x20 ? NOT_SUPPORTED : IRET;
  };
  for (let vector = 0; vector < 256; vector++) view.setUint32(vector * 4, ((EBDA >> 4) << 16) | entry(vector), true);
  // BIOS data area: COM1's port, the EBDA's segment, base memory in KB.
  view.setUint16(0x400, 0x3f8, true);
  view.setUint16(0x40e, EBDA >> 4, true);
  view.setUint16(0x413, EBDA / 1024, true);
  return bytes;
})();
