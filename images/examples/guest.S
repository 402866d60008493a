/*
 * A guest that waits 10 ms between "init" and "ready", in one of two ways.
 *
 * POLL: reads the PIT's channel 2 at port 61h until its output rises (8254, mode 0).
 * HZ=N: sleeps by HLT and counts interrupts of channel 0 at N Hz (mode 2).
 *
 * Multiboot starts it in flat protected mode. It ends at the debug-exit port f4h.
 */
#define PIT_HZ 1193182
#define CHAIN push %ebp; mov %esp, %ebp

	.code32
	.text
	.long 0x1badb002, 0, -0x1badb002

	.globl start
	.type start, @function
start:
	mov $stack_top, %esp
	xor %ebp, %ebp
	mov $init, %esi
	call say
	call boot
	mov $ready, %esi
	call say
	xor %al, %al
	out %al, $0xf4
1:	hlt
	jmp 1b
	.size start, . - start

	.type boot, @function
boot:
	CHAIN
	call wait_10ms
	pop %ebp
	ret
	.size boot, . - boot

	.type say, @function
say:
	mov $0x3f8, %dx
1:	lodsb
	test %al, %al
	jz 2f
	out %al, %dx
	jmp 1b
2:	ret
	.size say, . - say

#ifdef POLL
	.type wait_10ms, @function
wait_10ms:
	CHAIN
	mov $1, %al			/* gate on, speaker off */
	out %al, $0x61
	mov $0xb0, %al			/* channel 2, both bytes, mode 0 */
	out %al, $0x43
	mov $(PIT_HZ / 100) & 0xff, %al
	out %al, $0x42
	mov $(PIT_HZ / 100) >> 8, %al
	out %al, $0x42
1:	in $0x61, %al
	test $0x20, %al
	jz 1b
	pop %ebp
	ret
	.size wait_10ms, . - wait_10ms
#else
	.type wait_10ms, @function
wait_10ms:
	CHAIN
	mov $tick, %eax
	mov %ax, idt + 0x20 * 8
	mov %cs, idt + 0x20 * 8 + 2
	movw $0x8e00, idt + 0x20 * 8 + 4
	shr $16, %eax
	mov %ax, idt + 0x20 * 8 + 6
	lidt idtr
	mov $0x34, %al			/* channel 0, both bytes, mode 2; before the 8259, whose ICW1 forgets the edge that this makes */
	out %al, $0x43
	mov $(PIT_HZ / HZ) & 0xff, %al
	out %al, $0x40
	mov $(PIT_HZ / HZ) >> 8, %al
	out %al, $0x40
	mov $0x11, %al			/* 8259: ICW1 to ICW4, vectors from 20h, then only IRQ 0 */
	out %al, $0x20
	mov $0x20, %al
	out %al, $0x21
	mov $4, %al
	out %al, $0x21
	mov $1, %al
	out %al, $0x21
	mov $0xfe, %al
	out %al, $0x21
	sti
1:	hlt
	cmpl $HZ / 100, ticks
	jb 1b
	cli
	pop %ebp
	ret
	.size wait_10ms, . - wait_10ms

	.type tick, @function
tick:
	push %ebp
	mov %esp, %ebp
	push %eax
	incl ticks
	mov $0x20, %al			/* end of interrupt */
	out %al, $0x20
	pop %eax
	pop %ebp
	iret
	.size tick, . - tick

	.data
ticks:	.long 0
idtr:	.word 0x21 * 8 - 1
	.long idt
	.balign 8
idt:	.fill 0x21, 8, 0
#endif

	.section .rodata
init:	.asciz "init\n"
ready:	.asciz "ready\n"

	.bss
	.balign 16
	.skip 4096
stack_top:

	.section .note.GNU-stack, "", @progbits
