/*
 * Ways into the kernel: interrupt and exception stubs, SYSCALL, and the one way back to whatever trap() chose.
 *
 * Every way in builds a struct frame (kernel.h). SDM vol. 3, 6.14 (64-bit interrupt handling) and vol. 2, SYSCALL and SYSRET.
 */
        .set    SYSCALL_VECTOR, 0x100
        .set    FRAME_VECTOR, 15 * 8
        .set    USER_DATA, 0x1b
        .set    USER_CODE, 0x23

        .text
        .altmacro
        .macro  stub n
trap_\n:
        /* These push an error code of their own: #DF #TS #NP #SS #GP #PF #AC. */
        .if !(\n == 8 || (\n >= 10 && \n <= 14) || \n == 17)
        pushq   $0
        .endif
        pushq   $\n
        jmp     enter
        .endm

        .set    i, 0
        .rept   48
        stub    %i
        .set    i, i + 1
        .endr
        stub    255

enter:
        pushq   %rax
        pushq   %rbx
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %rbp
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        cld
        movq    %rsp, %rdi
        call    trap
        movq    %rax, %rdi
        /* fall through */

        /* void resume(struct frame *): continues there. */
        .globl  resume
resume:
        movq    %rdi, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rbp
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rbx
        popq    %rax
        cmpq    $SYSCALL_VECTOR, (%rsp)
        je      1f
        addq    $16, %rsp
        iretq
1:      /* A frame made by SYSCALL holds rip in rcx and rflags in r11 already. */
        movq    16 + 24(%rsp), %rsp
        sysretq

        .globl  syscall_entry
syscall_entry:
        movq    %rsp, user_rsp(%rip)
        movq    kernel_rsp(%rip), %rsp
        pushq   $USER_DATA
        pushq   user_rsp(%rip)
        pushq   %r11
        pushq   $USER_CODE
        pushq   %rcx
        pushq   $0
        pushq   $SYSCALL_VECTOR
        jmp     enter

        /* Faults on demand: trap() returns to the caller of these. */
        .globl  provoke_de, provoke_bp, provoke_ud, provoke_gp, provoke_pf
provoke_de:
        xorl    %edx, %edx
        movl    $1, %eax
        xorl    %ecx, %ecx
        divl    %ecx
        ret
provoke_bp:
        int3
        ret
provoke_ud:
        ud2
        ret
provoke_gp:
        movabsq $0x8000000000000000, %rax
        movq    (%rax), %rax
        ret
provoke_pf:
        movabsq $0x8000000000, %rax             /* the second PML4 entry, never mapped */
        movb    $1, (%rax)
        ret

        .globl  idle_loop
idle_loop:
        hlt
        jmp     idle_loop

        .section .rodata
        .balign 8
        .globl  trap_stubs
trap_stubs:
        .macro  address n
        .quad   trap_\n
        .endm
        .set    i, 0
        .rept   48
        address %i
        .set    i, i + 1
        .endr
        .globl  trap_stub_spurious
trap_stub_spurious:
        .quad   trap_255

        .section .bss
        .balign 8
        .globl  kernel_rsp
kernel_rsp:
        .skip   8
user_rsp:
        .skip   8

        .section .note.GNU-stack, "", @progbits
