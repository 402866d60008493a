/*
 * A guest that measures what VM exits cost: the round trip of instructions that exit, by the time stamp counter.
 *
 * Multiboot starts it in flat protected mode without paging. Each operation runs ROUNDS times between two reads of the counter, each fenced by
 * LFENCE (SDM vol. 2, RDTSC), after WARM rounds that do not count. What the empty operation takes is subtracted. Lines go to COM1:
 *
 *   exit-cost brand <CPUID leaves 80000002h to 80000004h>
 *   exit-cost hypervisor <signature of leaf 40000000h, when there is one>
 *   exit-cost tsc-khz <cycles of the counter in a ms, by channel 2 of the PIT>
 *   exit-cost <operation> rounds <n> min <cycles> median <cycles> p99 <cycles>
 *   exit-cost <operation> skip                  an exception came: this machine has none of it
 *   exit-cost end
 *
 * Then it writes 0 to the debug-exit port f4h. With the word "vm" first on the command line it runs INVD too, which on no virtual machine would
 * lose what is in the caches.
 */
	.set	ROUNDS, 1000
	.set	WARM, 50
	.set	SAMPLES, (ROUNDS + WARM)
	.set	PIT_50MS, 59659		/* of 1193182 Hz */

	.set	LAPIC, 0xfee00000
	.set	LAPIC_TPR, (LAPIC + 0x80)
	.set	LAPIC_EOI, (LAPIC + 0xb0)
	.set	LAPIC_SVR, (LAPIC + 0xf0)
	.set	LAPIC_ICR, (LAPIC + 0x300)
	.set	LAPIC_ICR_HIGH, (LAPIC + 0x310)
	.set	LAPIC_LVT_TIMER, (LAPIC + 0x320)
	.set	LAPIC_INITIAL, (LAPIC + 0x380)
	.set	LAPIC_CURRENT, (LAPIC + 0x390)
	.set	IOAPIC_INDEX, 0xfec00000
	.set	IOAPIC_DATA, 0xfec00010

	.set	VECTOR, 0xf0
	.set	SELF, 0x40000		/* ICR: shorthand self, fixed, edge */
	.set	TSC_DEADLINE, 0x40000		/* LVT timer: mode 10b */
	.set	MSR_APIC_BASE, 0x1b
	.set	MSR_DEADLINE, 0x6e0
	.set	CR4_MCE, 0x40
	.set	CR4_OSXSAVE, 0x40000
	.set	CR0_AM, 0x40000
	.set	TOUCHED, 0x1000000	/* memory that nothing else uses: from 16 MiB */
	.set	AHEAD, 400000		/* cycles from now to a deadline that is waited for */
	.set	FAR, 1 << 26		/* to one that is replaced in time */

/*
 * Measures \op with eax, ebx, ecx and edx of \a, \b, \c and \d; \before and \after are not timed. \op may use those registers and
 * the flags. A handler of exceptions goes on at on_fault.
 */
.macro MEASURE name:req, op="", a=$0, b=$0, c=$0, d=$0, before="", after=""
	.section .rodata
77:	.asciz "\name"
	.text
	movl	$77b, current
	movl	$79f, on_fault
	movl	$samples, next
78:	\before
	mov	\a, %edi
	mov	\d, %ebp
	mov	\b, %ebx
	mov	\c, %ecx
	lfence
	rdtsc
	lfence
	mov	%eax, %esi
	mov	%edi, %eax
	mov	%ebp, %edx
	\op
	lfence
	rdtsc
	lfence
	sub	%esi, %eax
	jns	76f
	xor	%eax, %eax
76:	mov	next, %ebx
	mov	%eax, (%ebx)
	addl	$4, next
	\after
	cmpl	$samples_end, next
	jne	78b
	call	report
	jmp	80f
79:	call	skip
80:
.endm

	.code32
	.text
	.long	0x1badb002, 0, -0x1badb002

	.globl	start
	.type	start, @function
start:
	mov	$stack_top, %esp
	cld
	mov	%ebx, %ebp
	lgdt	gdtr
	ljmp	$8, $1f
1:	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	call	tables
	mov	$0xff, %al		/* no interrupts of the 8259s */
	out	%al, $0x21
	out	%al, $0xa1
	mov	$0x3fb, %dx		/* 8 bits a character */
	mov	$3, %al
	out	%al, %dx
	call	tell_brand
	call	tell_hypervisor
	call	tell_khz
	movl	$0x1ff, LAPIC_SVR
	movl	$VECTOR, LAPIC_LVT_TIMER

	MEASURE	nothing
	mov	median, %eax
	mov	%eax, loop_cost

	MEASURE	cpuid, "cpuid"
	MEASURE	vmcall, "vmcall", a=$1000

	MEASURE	in-unclaimed, "in %dx, %al", d=$0x2e0
	MEASURE	out-unclaimed, "out %al, %dx", d=$0x2e0
	MEASURE	in-pit, "in %dx, %al", d=$0x40
	MEASURE	in-port61, "in %dx, %al", d=$0x61
	MEASURE	in-pic, "in %dx, %al", d=$0x21
	MEASURE	out-pic, "out %al, %dx", a=$0xff, d=$0x21
	MEASURE	in-serial, "in %dx, %al", d=$0x3fd
	MEASURE	out-serial, "out %al, %dx", d=$0x3ff
	MEASURE	in-rtc, "in %dx, %al", d=$0x71
	MEASURE	in-i8042, "in %dx, %al", d=$0x64
	MEASURE	in-port92, "in %dx, %al", d=$0x92
	MEASURE	in-pci, "in %dx, %eax", d=$0xcf8
	MEASURE	in-pm, "in %dx, %eax", d=$0x608
	MEASURE	out-post, "out %al, %dx", d=$0x80

	mov	$MSR_APIC_BASE, %ecx
	rdmsr
	mov	%eax, low
	mov	%edx, high
	MEASURE	rdmsr, "rdmsr", c=$MSR_APIC_BASE
	MEASURE	wrmsr, "wrmsr", a=low, d=high, c=$MSR_APIC_BASE

	mov	$1, %eax
	cpuid
	mov	%ecx, features
	test	$0x1000000, %ecx	/* TSC_DEADLINE */
	jz	2f
	movl	$TSC_DEADLINE | VECTOR, LAPIC_LVT_TIMER
	MEASURE	wrmsr-deadline, "wrmsr", a=low, d=high, c=$MSR_DEADLINE, before="mov $FAR, %eax; call ahead"
	xor	%eax, %eax		/* none of those comes */
	xor	%edx, %edx
	mov	$MSR_DEADLINE, %ecx
	wrmsr
	movl	$VECTOR, LAPIC_LVT_TIMER
2:
	MEASURE	lapic-read, "mov LAPIC_CURRENT, %eax"
	MEASURE	lapic-tpr, "mov %eax, LAPIC_TPR"
	MEASURE	lapic-timer, "mov %eax, LAPIC_INITIAL"
	MEASURE	lapic-eoi, "mov %eax, LAPIC_EOI"
	MEASURE	lapic-icr, "mov %eax, LAPIC_ICR", a=$(SELF | VECTOR), after="call take"
	MEASURE	ioapic-write, "mov %eax, IOAPIC_INDEX"
	MEASURE	ioapic-read, "mov IOAPIC_DATA, %eax"

	MEASURE	window, "sti; nop; cli", before="movl $SELF | VECTOR, LAPIC_ICR", after="movl $0, LAPIC_EOI"
	MEASURE	hlt, "sti; hlt; cli", before="movl $SELF | VECTOR, LAPIC_ICR", after="movl $0, LAPIC_EOI"
	testl	$0x1000000, features
	jz	2f
	movl	$TSC_DEADLINE | VECTOR, LAPIC_LVT_TIMER
	MEASURE	hlt-wake, "mov low, %esi; sti; hlt; cli", before="call arm", after="movl $0, LAPIC_EOI"

2:	mov	%cr4, %eax
	mov	%eax, low
	MEASURE	cr4, "mov %eax, %cr4", a=low, before="xorl $CR4_MCE, low"
	mov	%cr0, %eax
	mov	%eax, low
	MEASURE	cr0, "mov %eax, %cr0", a=low, before="xorl $CR0_AM, low"
	MEASURE	dr, "mov %dr7, %eax", before="xor %eax, %eax; cpuid"
	MEASURE	wbinvd, "wbinvd"
	cmpb	$1, in_vm
	jne	3f
	MEASURE	invd, "invd"
3:	testl	$0x4000000, features	/* XSAVE */
	jz	4f
	mov	%cr4, %eax
	or	$CR4_OSXSAVE, %eax
	mov	%eax, %cr4
	xor	%ecx, %ecx
	xgetbv
	mov	%eax, low
	mov	%edx, high
	MEASURE	xsetbv, "xsetbv", a=low, d=high
4:	movb	$1, undefined_expected
	MEASURE	exception, "ud2"
	movb	$0, undefined_expected
	movl	$TOUCHED, low
	MEASURE	first-touch, "movb $1, (%ecx)", c=low, before="addl $4096, low"

	mov	$end_text, %esi
	call	say
	xor	%al, %al
	out	%al, $0xf4
1:	hlt
	jmp	1b
	.size	start, . - start

/* IDT; what the command line says. ebp: multiboot information. */
	.type	tables, @function
tables:
	mov	$idt, %edi
	xor	%ecx, %ecx
1:	mov	$fault, %eax
	cmp	$6, %ecx
	jne	2f
	mov	$undefined, %eax
2:	cmp	$32, %ecx
	jb	3f
	mov	$interrupt, %eax
3:	mov	%ax, (%edi)
	movw	$8, 2(%edi)
	movw	$0x8e00, 4(%edi)
	shr	$16, %eax
	mov	%ax, 6(%edi)
	add	$8, %edi
	inc	%ecx
	cmp	$256, %ecx
	jb	1b
	lidt	idtr
	testl	$4, (%ebp)
	jz	4f
	mov	16(%ebp), %esi
5:	lodsb				/* the last word is enough: loaders put the image's name first */
	cmp	$' ', %al
	je	5b
	test	%al, %al
	jz	4f
	cmp	$'v', %al
	jne	6f
	cmpb	$'m', (%esi)
	jne	6f
	cmpb	$0, 1(%esi)
	jne	6f
	movb	$1, in_vm
	ret
6:	lodsb
	test	%al, %al
	jz	4f
	cmp	$' ', %al
	jne	6b
	jmp	5b
4:	ret
	.size	tables, . - tables

fault:
	mov	$stack_top, %esp
	jmp	*on_fault

undefined:
	cmpb	$1, undefined_expected
	jne	fault
	addl	$2, (%esp)
	iret

interrupt:
	iret

/* Takes the interrupt that waits. */
take:
	sti
	nop
	cli
	movl	$0, LAPIC_EOI
	ret

/* eax cycles from now, to low and high. */
ahead:
	mov	%eax, %ecx
	rdtsc
	add	%ecx, %eax
	adc	$0, %edx
	mov	%eax, low
	mov	%edx, high
	ret

/* Sets the timer to AHEAD cycles from now, which goes to low. */
arm:
	mov	$AHEAD, %eax
	call	ahead
	mov	$MSR_DEADLINE, %ecx
	wrmsr
	ret

/* Shell's sort of the samples that count, then the line about them. */
	.type	report, @function
report:
	mov	$ROUNDS / 2, %ecx
1:	mov	%ecx, %edx		/* edx: the element that goes to its place */
2:	mov	counted(, %edx, 4), %eax
	mov	%edx, %ebx
3:	cmp	%ecx, %ebx
	jb	4f
	mov	%ebx, %edi
	sub	%ecx, %edi
	cmp	%eax, counted(, %edi, 4)
	jbe	4f
	mov	counted(, %edi, 4), %esi
	mov	%esi, counted(, %ebx, 4)
	mov	%edi, %ebx
	jmp	3b
4:	mov	%eax, counted(, %ebx, 4)
	inc	%edx
	cmp	$ROUNDS, %edx
	jb	2b
	shr	%ecx
	jnz	1b
	mov	counted + ROUNDS / 2 * 4, %eax
	mov	%eax, median
	call	say_name
	mov	$rounds_text, %esi
	call	say
	mov	$ROUNDS, %eax
	call	say_number
	mov	$min_text, %esi
	mov	counted, %eax
	call	say_cost
	mov	$median_text, %esi
	mov	median, %eax
	call	say_cost
	mov	$p99_text, %esi
	mov	counted + ROUNDS * 99 / 100 * 4, %eax
	call	say_cost
	jmp	say_newline
	.size	report, . - report

	.type	skip, @function
skip:
	call	say_name
	mov	$skip_text, %esi
	jmp	say
	.size	skip, . - skip

/* " word cycles", without what the loop itself takes. */
say_cost:
	push	%eax
	call	say
	pop	%eax
	sub	loop_cost, %eax
	jae	say_number
	xor	%eax, %eax
say_number:
	mov	$digits_end, %esi
	mov	$10, %ecx
1:	xor	%edx, %edx
	div	%ecx
	add	$'0', %dl
	dec	%esi
	mov	%dl, (%esi)
	test	%eax, %eax
	jnz	1b
	jmp	say

say_name:
	mov	$prefix, %esi
	call	say
	mov	current, %esi
	jmp	say

say_newline:
	mov	$newline, %esi
/* The text at esi, to COM1 when it has room. */
	.type	say, @function
say:
	lodsb
	test	%al, %al
	jz	2f
	mov	%al, %ah
	mov	$0x3fd, %dx
1:	in	%dx, %al
	test	$0x20, %al
	jz	1b
	mov	%ah, %al
	mov	$0x3f8, %dx
	out	%al, %dx
	jmp	say
2:	ret
	.size	say, . - say

	.type	tell_brand, @function
tell_brand:
	mov	$0x80000000, %eax
	cpuid
	cmp	$0x80000004, %eax
	jb	2f
	mov	$text, %edi
	mov	$0x80000002, %ebp
1:	mov	%ebp, %eax
	call	leaf
	inc	%ebp
	cmp	$0x80000005, %ebp
	jb	1b
	mov	$brand_name, %esi
	jmp	tell_text
2:	ret
	.size	tell_brand, . - tell_brand

/* Four registers of a CPUID leaf, behind each other at edi. */
leaf:
	cpuid
	mov	%eax, (%edi)
	mov	%ebx, 4(%edi)
	mov	%ecx, 8(%edi)
	mov	%edx, 12(%edi)
	add	$16, %edi
	ret

	.type	tell_hypervisor, @function
tell_hypervisor:
	mov	$1, %eax
	cpuid
	test	%ecx, %ecx
	jns	1f
	movb	$1, in_vm
	mov	$text - 4, %edi		/* without eax */
	mov	$0x40000000, %eax
	call	leaf
	movb	$0, (%edi)
	mov	$hypervisor_name, %esi
	jmp	tell_text
1:	ret
	.size	tell_hypervisor, . - tell_hypervisor

tell_text:
	push	%esi
	mov	$prefix, %esi
	call	say
	pop	%esi
	call	say
	mov	$text, %esi
	call	say
	jmp	say_newline

	.type	tell_khz, @function
tell_khz:
	mov	$1, %al			/* gate on, speaker off */
	out	%al, $0x61
	mov	$0xb0, %al		/* channel 2, both bytes, mode 0: its output rises at the end */
	out	%al, $0x43
	mov	$PIT_50MS & 0xff, %al
	out	%al, $0x42
	mov	$PIT_50MS >> 8, %al
	out	%al, $0x42
	lfence
	rdtsc
	mov	%eax, %esi
1:	in	$0x61, %al
	test	$0x20, %al
	jz	1b
	rdtsc
	sub	%esi, %eax
	xor	%edx, %edx
	mov	$50, %ecx
	div	%ecx
	push	%eax
	mov	$khz_text, %esi
	call	say
	pop	%eax
	call	say_number
	jmp	say_newline
	.size	tell_khz, . - tell_khz

	.section .rodata
prefix:		.asciz "exit-cost "
brand_name:	.asciz "brand "
hypervisor_name: .asciz "hypervisor "
khz_text:	.asciz "exit-cost tsc-khz "
rounds_text:	.asciz " rounds "
min_text:	.asciz " min "
median_text:	.asciz " median "
p99_text:	.asciz " p99 "
skip_text:	.asciz " skip\n"
end_text:	.asciz "exit-cost end\n"
newline:	.asciz "\n"

	.data
	.balign 8
gdt:	.quad	0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdtr:	.word	. - gdt - 1
	.long	gdt
idtr:	.word	256 * 8 - 1
	.long	idt
loop_cost: .long 0
median:	.long	0
in_vm:	.byte	0
undefined_expected: .byte 0
digits:	.fill	12, 1, 0
digits_end: .byte 0

	.bss
	.balign 16
idt:	.skip	256 * 8
	.skip	4			/* tell_hypervisor puts eax here */
text:	.skip	64
current: .skip	4
on_fault: .skip	4
next:	.skip	4
low:	.skip	4
high:	.skip	4
features: .skip	4			/* ecx of CPUID leaf 1 */
samples: .skip	WARM * 4
counted: .skip	ROUNDS * 4
samples_end:
	.skip	4096
	.balign 16
stack_top:

	.section .note.GNU-stack, "", @progbits
