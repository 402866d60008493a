/*
 * A guest with a console that asks: "login: ", then a name and a line end, then "# "; any line but "halt" is said again after "you said ".
 *
 * It polls the line status of COM1 (16550, LSR bit 0) for what comes. Multiboot starts it in flat protected mode. It ends at the debug-exit port f4h.
 */
	.code32
	.text
	.long 0x1badb002, 0, -0x1badb002

	.globl start
	.type start, @function
start:
	mov $stack_top, %esp
	xor %ebp, %ebp
	mov $login, %esi
	call say
	call hear
	mov $welcome, %esi
	call say
	mov $line, %esi
	call say
1:	mov $prompt, %esi
	call say
	call hear
	cmpl $0x746c6168, line		/* "halt" */
	je 2f
	mov $said, %esi
	call say
	mov $line, %esi
	call say
	jmp 1b
2:	mov $bye, %esi
	call say
	xor %al, %al
	out %al, $0xf4
3:	hlt
	jmp 3b
	.size start, . - start

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

	/* A line into `line`, without its end. */
	.type hear, @function
hear:
	mov $line, %edi
1:	mov $0x3fd, %dx
2:	in %dx, %al
	test $1, %al
	jz 2b
	mov $0x3f8, %dx
	in %dx, %al
	cmp $'\n', %al
	je 3f
	cmp $line + 62, %edi
	je 1b
	stosb
	jmp 1b
3:	xor %al, %al
	stosb
	ret
	.size hear, . - hear

	.section .rodata
login:	.asciz "login: "
welcome: .asciz "\nwelcome, "
prompt:	.asciz "\n# "
said:	.asciz "you said "
bye:	.asciz "bye\n"

	.bss
line:	.skip 64
	.balign 16
	.skip 4096
stack_top:

	.section .note.GNU-stack, "", @progbits
