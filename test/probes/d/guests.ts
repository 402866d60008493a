/**
 * Small guests for D programs: what each does is known to the instruction, so that what a program prints can be worked out.
 */
import { parseIntercepts } from '../../../vmm/intercepts.ts';
import { Guest, HANDLERS, STACK, TABLES, hex } from '../../vmm/guest.ts';

/** A guest that is set up and stands before its first instruction. */
export type TracedGuest = Guest;

function withApic(guest: Guest): Guest {
  guest.vm.createIrqchip();
  // x2APIC mode, software-enabled.
  guest.vcpu.setMsr(0x1b, 0xfee0_0d00n);
  guest.vcpu.setMsr(0x80f, 0x1ffn);
  return guest;
}

/** Three rounds of: CPUID, two OUTs to port 80h, an IN from 71h, CR0, CR3 and CR4 read and written, CLTS, MSR 1A0h read and written; then HLT. */
function exits(): Guest {
  const code = `
    be 03 00 00 00        ; mov esi, 3
    31 c0 0f a2           ; xor eax, eax; cpuid
    89 f0 e6 80 e6 80     ; mov eax, esi; out 80h, al; out 80h, al
    66 ba 71 00 ec        ; mov dx, 71h; in al, dx
    0f 20 c0 0f 22 c0     ; mov rax, cr0; mov cr0, rax
    0f 20 d8 0f 22 d8     ; mov rax, cr3; mov cr3, rax
    0f 20 e0 0f 22 e0     ; mov rax, cr4; mov cr4, rax
    0f 06                 ; clts
    b9 a0 01 00 00        ; mov ecx, 1a0h
    0f 32 0f 30           ; rdmsr; wrmsr
    ff ce 75 d0           ; dec esi; jnz
    f4                    ; hlt`;
  const intercepts = parseIntercepts('cr3');
  return new Guest({ code, unclaimed: 'float', intercepts });
}

/** Five interrupts, vectors 45h down to 41h, two million instructions apart; each handler ends it and returns. Then HLT. */
function interrupts(): Guest {
  const code = `
    fb                    ; sti
    be 05 00 00 00        ; mov esi, 5
    b9 3f 08 00 00 31 d2  ; mov ecx, 83fh (SELF IPI); xor edx, edx
    8d 46 40 0f 30        ; lea eax, [rsi + 40h]; wrmsr
    b9 40 42 0f 00        ; mov ecx, 1000000
    ff c9 75 fc           ; dec ecx; jnz
    ff ce 75 e7           ; dec esi; jnz
    fa f4                 ; cli; hlt`;
  const handler = `
    50 51 52              ; push rax, rcx, rdx
    31 c0 31 d2           ; xor eax, eax; xor edx, edx
    b9 0b 08 00 00 0f 30  ; mov ecx, 80bh (EOI); wrmsr
    5a 59 58 48 cf        ; pop rdx, rcx, rax; iretq`;
  const guest = withApic(new Guest({ code, unclaimed: 'float' }));
  const at = HANDLERS + 0x1000;
  guest.put(at, handler);
  for (let vector = 0x41; vector <= 0x45; vector++) guest.gate(vector, at, 8);
  return guest;
}

/** Two hundred rounds of CPUID and OUT to port 80h; then an IDT without entries is loaded and UD2 ends it in a triple fault. */
function tripleFault(): Guest {
  const code = `
    b8 34 12 00 00        ; mov eax, 1234h
    bd c8 00 00 00        ; mov ebp, 200
    0f a2 e6 80           ; cpuid; out 80h, al
    bb 02 00 00 00        ; mov ebx, 2
    ff cd 75 f3           ; dec ebp; jnz
    6a 00 6a 00           ; push 0; push 0
    0f 01 1c 24 0f 0b     ; lidt [rsp]; ud2`;
  return new Guest({ code, unclaimed: 'float' });
}

/** Two address spaces in turn, four times: four million instructions in the first, two million in the second. Then HLT. */
function addressSpaces(): Guest {
  const code = `
    0f 20 db              ; mov rbx, cr3
    be 04 00 00 00        ; mov esi, 4
    48 89 d8 0f 22 d8     ; mov rax, rbx; mov cr3, rax
    b9 80 84 1e 00        ; mov ecx, 2000000
    ff c9 75 fc           ; dec ecx; jnz
    bf 00 00 02 00        ; mov edi, 20000h
    48 89 f8 0f 22 d8     ; mov rax, rdi; mov cr3, rax
    b9 40 42 0f 00        ; mov ecx, 1000000
    ff c9 75 fc           ; dec ecx; jnz
    ff ce 75 d9           ; dec esi; jnz
    f4                    ; hlt`;
  const guest = new Guest({ code, unclaimed: 'float' });
  guest.put64(0x20000, guest.read64(TABLES));
  return guest;
}

/** A guest kernel with frame pointers and text in its memory: three nested calls, the innermost of which does an OUT with RDI at the text. Then HLT. */
function frames(): Guest {
  const code = `
    48 bf 00 00 03 00 00 00 00 00 ; mov rdi, 30000h
    31 ed                 ; xor ebp, ebp
    e8 01 00 00 00 f4     ; call 1; hlt
    55 48 89 e5           ; 1: push rbp; mov rbp, rsp
    e8 02 00 00 00        ; call 2
    5d c3                 ; pop rbp; ret
    55 48 89 e5           ; 2: push rbp; mov rbp, rsp
    e8 02 00 00 00        ; call 3
    5d c3                 ; pop rbp; ret
    55 48 89 e5           ; 3: push rbp; mov rbp, rsp
    e6 80                 ; out 80h, al
    5d c3                 ; pop rbp; ret`;
  const guest = new Guest({ code, unclaimed: 'float' });
  guest.put(0x30000, Buffer.from('hello, tracer\0', 'latin1'));
  guest.put(0x30010, hex('01 00 00 00 02 00 00 00 fe ff ff ff ff ff ff ff'));
  // The last frame's return address is 0: the walk ends there.
  guest.put64(STACK, 0);
  guest.put64(STACK + 8, 0);
  return guest;
}

/** Guests by the names that `.vm` files hold. */
export const GUESTS: Readonly<Record<string, () => TracedGuest>> = {
  exits,
  interrupts,
  'triple-fault': tripleFault,
  'address-spaces': addressSpaces,
  frames,
};
