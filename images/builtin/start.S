/*
 * Entry: from 32-bit protected mode without paging, as PVH and multiboot leave the CPU, to 64-bit C.
 *
 * Xen docs/misc/pvh.pandoc (EBX = hvm_start_info) and Multiboot 0.6.96 (EAX = 2BADB002h, EBX = information structure).
 */
        .set    PRESENT_WRITE, 0x3
        .set    LARGE, 0x80
        .set    UNCACHED, 0x10

        .set    MULTIBOOT_MAGIC, 0x1badb002
        .set    MULTIBOOT_FLAGS, 0x10003        /* page-aligned modules, memory information, address fields */

        .section .multiboot, "a"
        .balign 4
multiboot_header:
        .long   MULTIBOOT_MAGIC
        .long   MULTIBOOT_FLAGS
        .long   -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
        .long   multiboot_header
        .long   image_start
        .long   image_load_end
        .long   image_end
        .long   start_multiboot

        .section .note.pvh, "a", @note
        .balign 4
        .long   4                               /* "Xen\0" */
        .long   4
        .long   18                              /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .long   start_pvh

        .section .text.start, "ax"
        .code32
        .globl  start_pvh
start_pvh:
        movl    $0, %edi
        jmp     start32
        .globl  start_multiboot
start_multiboot:
        movl    $1, %edi
start32:
        cli
        cld
        movl    %ebx, %esi                      /* edi, esi: arguments of kernel_main */
        movl    $boot_stack_top, %esp

        /* Identity map of 4 GiB in 2 MB pages; the last GiB holds devices, so it is not cached. */
        movl    $boot_pds, %edx
        movl    $PRESENT_WRITE | LARGE, %eax
        movl    $2048, %ecx
1:      cmpl    $0xc0000000, %eax
        jb      2f
        orl     $UNCACHED, %eax
2:      movl    %eax, (%edx)
        addl    $0x200000, %eax
        addl    $8, %edx
        loop    1b
        movl    $boot_pdpt, %edx
        movl    $boot_pds + PRESENT_WRITE, %eax
        movl    $4, %ecx
3:      movl    %eax, (%edx)
        addl    $0x1000, %eax
        addl    $8, %edx
        loop    3b
        movl    $boot_pdpt + PRESENT_WRITE, boot_pml4

        movl    $boot_pml4, %eax
        movl    %eax, %cr3
        movl    %cr4, %eax
        orl     $0xa0, %eax                     /* PAE, PGE */
        movl    %eax, %cr4
        movl    $0xc0000080, %ecx               /* EFER: SCE, LME, NXE */
        rdmsr
        orl     $0x901, %eax
        wrmsr
        movl    %cr0, %eax
        orl     $0x80010000, %eax               /* PG, WP */
        movl    %eax, %cr0
        lgdt    gdt_pointer
        ljmp    $0x08, $start64

        .code64
start64:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        movl    $boot_stack_top, %esp
        movl    %edi, %edi                      /* clears the high halves */
        movl    %esi, %esi
        xorl    %ebp, %ebp
        call    kernel_main
4:      cli
        hlt
        jmp     4b

        .section .data
        .balign 16
        .globl  gdt
gdt:
        .quad   0
        .quad   0x00af9b000000ffff              /* 08 kernel code */
        .quad   0x00cf93000000ffff              /* 10 kernel data */
        .quad   0x00cff3000000ffff              /* 18 user data */
        .quad   0x00affb000000ffff              /* 20 user code */
        .quad   0, 0                            /* 28 TSS, filled in by traps_init */
gdt_end:
        .balign 4
gdt_pointer:
        .word   gdt_end - gdt - 1
        .quad   gdt

        /* The user program as a flat image, linked by user.ld. */
        .section .rodata
        .balign 4096
        .globl  user_image, user_image_end
user_image:
        .incbin "user.bin"
user_image_end:

        .section .bss
        .balign 4096
        .globl  boot_pml4, boot_pdpt
boot_pml4:
        .skip   4096
boot_pdpt:
        .skip   4096
boot_pds:
        .skip   4 * 4096
        .skip   8192
boot_stack_top:

        .section .note.GNU-stack, "", @progbits
