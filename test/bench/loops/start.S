/*
 * From multiboot's 32-bit protected mode to a function in 64-bit mode, with the first GiB mapped in 2 MB pages; its result goes to the
 * debug-exit port.
 */
        .section .multiboot, "a"
        .balign 4
        .long   0x1badb002, 0, -0x1badb002

        .text
        .code32
        .globl  _start
_start: cli
        cld
        movl    $stack_top, %esp
        movl    $directory, %edi
        movl    $0x83, %eax             /* present, writable, large */
        movl    $512, %ecx
1:      movl    %eax, (%edi)
        movl    $0, 4(%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        loop    1b
        movl    $directory + 3, pointers
        movl    $pointers + 3, root
        movl    $root, %eax
        movl    %eax, %cr3
        movl    $0x20, %eax             /* CR4.PAE */
        movl    %eax, %cr4
        movl    $0xc0000080, %ecx       /* EFER.LME */
        movl    $0x100, %eax
        xorl    %edx, %edx
        wrmsr
        movl    $0x80000011, %eax       /* CR0.PG, ET, PE */
        movl    %eax, %cr0
        lgdt    gdt_pointer
        ljmp    $8, $long_mode

        .code64
long_mode:
        movl    $16, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        call    loop_main
        andb    $0x3f, %al
        outb    %al, $0xf4
1:      hlt
        jmp     1b

        .balign 8
gdt:    .quad   0, 0x00af9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt

        .bss
        .balign 4096
root:   .skip   4096
pointers:
        .skip   4096
directory:
        .skip   4096
        .skip   16384
stack_top:
