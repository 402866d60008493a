/*
 * The harness: runs the cases that lie in memory, one after another, each from a state of its own, and writes down the state in which it ended.
 *
 * At home it is in 32-bit protected mode without paging. A case: the arena is written from its template and patched, MSRs, debug and control
 * registers, tables and tasks are loaded, and an IRET leads to the first instruction. Every vector of every environment's IDT leads to a stub
 * here (stubs16, stubs32, stubs64 below), which saves the registers and comes home; so do the targets of SYSCALL, SYSENTER and call gates.
 * Then the arena is compared with its template. What differs, with the registers, is the result.
 *
 * A case that ends in a triple fault resets the machine; BUSY in the control block tells so after the next boot. The addresses and the
 * layouts of cases and results come from layout.ts. Absolute addresses are physical ones: all environments map low memory one to one.
 */
        .set    MB_MAGIC, 0x1badb002
        .set    MB_FLAGS, 0x10003
        .set    LOADED, 0x100000
        .set    DEBUG_EXIT, 0xf4
        .set    EFER_MSR, 0xc0000080
        .set    FS_BASE_MSR, 0xc0000100
        .set    GS_BASE_MSR, 0xc0000101
        .set    KERNEL_GS_BASE_MSR, 0xc0000102
        .set    PCIDE, 1 << 17
        .set    PKE, 1 << 22
        .set    OSFXSR, 3 << 9
        .set    OSXSAVE, 1 << 18

        .text
        .code32
        .globl  image
image:
        .balign 4
        .long   MB_MAGIC, MB_FLAGS, -(MB_MAGIC + MB_FLAGS)
        .long   LOADED, LOADED, LOADED + image_end - image, 0, LOADED + start - image

start:  cli
        cld
        movl    $LOADED, %esi
        movl    $HARNESS, %edi
        movl    $image_end - image, %ecx
        rep movsb
        movl    $here, %eax
        jmp     *%eax
here:   lgdt    home_gdtr
        lidt    home_idtr
        ljmp    $SEL_code32, $1f
1:      movl    $SEL_data32, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        movl    $HARNESS_STACK, %esp
        call    note_cpuid
        /* No interrupts but the cases' own; INT3 wherever a case may stray. */
        movb    $0xff, %al
        outb    %al, $0x21
        outb    %al, $0xa1
        movl    $0xcccccccc, %eax
        xorl    %edi, %edi
        movl    $HARNESS / 4, %ecx
        rep stosl
        movl    $ARENA + ARENA_BYTES, %edi
        movl    $(0x9f000 - ARENA - ARENA_BYTES) / 4, %ecx
        rep stosl
        cmpl    $0, CONTROL + CTL_BUSY
        je      next_case
        /* The machine was reset by the case at hand. */
        call    result_address
        movl    $STATUS_SHUTDOWN, SAVE_STATUS(%edi)
        jmp     advance

/* EDI: the result of the case at hand. */
result_address:
        imull   $RESULT_BYTES, CONTROL + CTL_NEXT, %edi
        addl    $RESULTS, %edi
        ret

note_cpuid:
        movl    $CONTROL + CTL_CPUID, %edi
        movl    $cpuid_leaves, %esi
1:      lodsl
        testl   %eax, %eax
        jz      2f
        movl    (%esi), %ecx
        addl    $4, %esi
        cpuid
        stosl
        movl    %ebx, %eax
        stosl
        movl    %ecx, %eax
        stosl
        movl    %edx, %eax
        stosl
        jmp     1b
2:      movl    $0xd, %eax
        xorl    %ecx, %ecx
        cpuid
        andl    $7, %eax
        movl    %eax, states
        ret
cpuid_leaves:
        .long   1, 0, 7, 0, 0xd, 1, 0x80000001, 0, 0

advance:
        incl    CONTROL + CTL_NEXT
        movl    $0, CONTROL + CTL_BUSY
next_case:
        movl    CONTROL + CTL_NEXT, %eax
        cmpl    CONTROL + CTL_COUNT, %eax
        jae     finished
        movl    $1, CONTROL + CTL_BUSY
        movl    CASES(, %eax, 4), %esi
        jmp     run_case
finished:
        movl    $DONE_MAGIC, CONTROL + CTL_DONE
        movl    $0, %eax
        outb    %al, $DEBUG_EXIT
1:      hlt
        jmp     1b

/* ESI: a case. */
run_case:
        movl    CASE_TEMPLATE(%esi), %eax
        shll    $16, %eax
        addl    $TEMPLATES, %eax
        movl    %eax, template
        pushl   %esi
        movl    %eax, %esi
        movl    $ARENA, %edi
        movl    $ARENA_BYTES / 4, %ecx
        rep movsl
        movl    $save, %edi
        xorl    %eax, %eax
        movl    $SAVE_BYTES / 4, %ecx
        rep stosl
        popl    %esi
        movl    $cur, %edi
        movl    $CASE_BYTES / 4, %ecx
        rep movsl
        movl    $0, in_handler
        xorl    %eax, %eax
        movl    %eax, %cr2

        /* The machine-wide state that earlier cases may have changed. */
        movl    $OSFXSR | OSXSAVE, %eax
        movl    %eax, %cr4
        xorl    %ecx, %ecx
        movl    states, %eax
        xorl    %edx, %edx
        xsetbv
        movl    $OSFXSR, %eax
        movl    %eax, %cr4
        fninit
        fxrstor fresh_fpu
        movl    $plain_msrs, %ebx
        movl    $(plain_msrs_end - plain_msrs) / 12, %ebp
        call    write_msrs
        movl    %esi, %ebx
        movl    cur + CASE_NMSR, %ebp
        call    write_msrs
        movl    %ebx, %esi

        movl    cur + CASE_NPATCH, %ebp
1:      subl    $1, %ebp
        js      2f
        lodsl
        movl    %eax, %edi
        lodsl
        movl    %eax, %ecx
        rep movsb
        addl    $3, %esi
        andl    $-4, %esi
        jmp     1b
2:
        movl    cur + CASE_DR, %eax
        movl    %eax, %dr0
        movl    cur + CASE_DR + 8, %eax
        movl    %eax, %dr1
        movl    cur + CASE_DR + 16, %eax
        movl    %eax, %dr2
        movl    cur + CASE_DR + 24, %eax
        movl    %eax, %dr3
        movl    cur + CASE_DR6, %eax
        movl    %eax, %dr6
        movl    cur + CASE_CR3, %eax
        movl    %eax, %cr3
        testl   $CASE_REAL, cur + CASE_FLAGS
        jnz     launch_real

        movl    cur + CASE_CR4, %eax
        movl    %eax, %cr4
        movl    cur + CASE_CR3, %eax
        movl    %eax, %cr3
        movl    $EFER_MSR, %ecx
        movl    cur + CASE_EFER, %eax
        xorl    %edx, %edx
        wrmsr
        lgdt    cur + CASE_GDT_LIMIT
        movl    cur + CASE_CR0, %eax
        movl    %eax, %cr0
        jmp     1f
1:      lidt    cur + CASE_IDT_LIMIT
        movzwl  cur + CASE_TR, %eax
        ltr     %ax
        movzwl  cur + CASE_LDTR, %eax
        lldt    %ax
        testl   $CASE_LONG, cur + CASE_FLAGS
        jz      launch32
        ljmp    $SEL_code64, $launch64

/* EBX: MSRs as (index, low, high), EBP of them; EBX afterwards behind them. */
write_msrs:
        subl    $1, %ebp
        js      1f
        movl    (%ebx), %ecx
        movl    4(%ebx), %eax
        movl    8(%ebx), %edx
        wrmsr
        addl    $12, %ebx
        jmp     write_msrs
1:      ret

/* Protected mode: within level 0 the frame stands on the case's own stack, for other levels and virtual-8086 mode on the harness's. */
launch32:
        movl    $SEL_data32, %eax
        movl    cur + CASE_DR7, %ebx
        movl    %ebx, %dr7
        testl   $1 << 17, cur + CASE_RFLAGS
        jnz     2f
        testl   $3, cur + CASE_CS
        jz      3f
        pushl   cur + CASE_SS
        pushl   cur + CASE_RSP
        jmp     4f
2:      pushl   cur + CASE_GS
        movw    $0, 2(%esp)
        movzwl  cur + CASE_FS, %eax
        pushl   %eax
        movzwl  cur + CASE_DS, %eax
        pushl   %eax
        movzwl  cur + CASE_ES, %eax
        pushl   %eax
        pushl   cur + CASE_SS
        pushl   cur + CASE_RSP
        pushl   cur + CASE_RFLAGS
        pushl   cur + CASE_CS
        pushl   cur + CASE_RIP
        jmp     5f
3:      movw    cur + CASE_SS, %ss
        movl    cur + CASE_RSP, %esp
4:      pushl   cur + CASE_RFLAGS
        pushl   cur + CASE_CS
        pushl   cur + CASE_RIP
        movw    cur + CASE_ES, %es
        movw    cur + CASE_FS, %fs
        movw    cur + CASE_GS, %gs
        movw    cur + CASE_DS, %ds
5:      movl    %cs:cur + CASE_REGS, %eax
        movl    %cs:cur + CASE_REGS + 8, %ecx
        movl    %cs:cur + CASE_REGS + 16, %edx
        movl    %cs:cur + CASE_REGS + 24, %ebx
        movl    %cs:cur + CASE_REGS + 40, %ebp
        movl    %cs:cur + CASE_REGS + 48, %esi
        movl    %cs:cur + CASE_REGS + 56, %edi
        iretl

        .code64
launch64:
        movl    $HARNESS_STACK, %esp
        movl    cur + CASE_CR4_LATE, %ebx
        movq    %cr4, %rax
        orq     %rbx, %rax
        movq    %rax, %cr4
        testl   $PKE, %eax
        jz      1f
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        movl    cur + CASE_PKRU, %eax
        wrpkru
1:      movl    cur + CASE_CR8, %eax
        movq    %rax, %cr8
        movq    cur + CASE_DR, %rax
        movq    %rax, %dr0
        movq    cur + CASE_DR + 8, %rax
        movq    %rax, %dr1
        movq    cur + CASE_DR + 16, %rax
        movq    %rax, %dr2
        movq    cur + CASE_DR + 24, %rax
        movq    %rax, %dr3
        movq    cur + CASE_DR7, %rax
        movq    %rax, %dr7
        movw    cur + CASE_ES, %es
        movw    cur + CASE_DS, %ds
        movw    cur + CASE_FS, %fs
        movw    cur + CASE_GS, %gs
        movl    $FS_BASE_MSR, %ecx
        movl    cur + CASE_FS_BASE, %eax
        movl    cur + CASE_FS_BASE + 4, %edx
        wrmsr
        movl    $GS_BASE_MSR, %ecx
        movl    cur + CASE_GS_BASE, %eax
        movl    cur + CASE_GS_BASE + 4, %edx
        wrmsr
        pushq   cur + CASE_SS
        pushq   cur + CASE_RSP
        pushq   cur + CASE_RFLAGS
        pushq   cur + CASE_CS
        pushq   cur + CASE_RIP
        movq    cur + CASE_REGS, %rax
        movq    cur + CASE_REGS + 8, %rcx
        movq    cur + CASE_REGS + 16, %rdx
        movq    cur + CASE_REGS + 24, %rbx
        movq    cur + CASE_REGS + 40, %rbp
        movq    cur + CASE_REGS + 48, %rsi
        movq    cur + CASE_REGS + 56, %rdi
        movq    cur + CASE_REGS + 64, %r8
        movq    cur + CASE_REGS + 72, %r9
        movq    cur + CASE_REGS + 80, %r10
        movq    cur + CASE_REGS + 88, %r11
        movq    cur + CASE_REGS + 96, %r12
        movq    cur + CASE_REGS + 104, %r13
        movq    cur + CASE_REGS + 112, %r14
        movq    cur + CASE_REGS + 120, %r15
        iretq

        .code32
launch_real:
        movl    cur + CASE_CR4, %eax
        movl    %eax, %cr4
        movl    cur + CASE_DR7, %eax
        movl    %eax, %dr7
        movl    $SEL_data16, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        movl    %eax, %ss
        ljmp    $SEL_low16, $1f - HARNESS
        .code16
1:      movl    %cs:cur - HARNESS + CASE_CR0, %eax
        movl    %eax, %cr0
        ljmp    $HARNESS / 16, $2f - HARNESS
2:      lgdtl   %cs:cur - HARNESS + CASE_GDT_LIMIT
        lidtl   %cs:cur - HARNESS + CASE_IDT_LIMIT
        movw    %cs:cur - HARNESS + CASE_ES, %es
        movw    %cs:cur - HARNESS + CASE_DS, %ds
        movw    %cs:cur - HARNESS + CASE_FS, %fs
        movw    %cs:cur - HARNESS + CASE_GS, %gs
        movw    %cs:cur - HARNESS + CASE_SS, %ss
        movl    %cs:cur - HARNESS + CASE_RSP, %esp
        pushl   %cs:cur - HARNESS + CASE_RFLAGS
        pushl   %cs:cur - HARNESS + CASE_CS
        pushl   %cs:cur - HARNESS + CASE_RIP
        movl    %cs:cur - HARNESS + CASE_REGS, %eax
        movl    %cs:cur - HARNESS + CASE_REGS + 8, %ecx
        movl    %cs:cur - HARNESS + CASE_REGS + 16, %edx
        movl    %cs:cur - HARNESS + CASE_REGS + 24, %ebx
        movl    %cs:cur - HARNESS + CASE_REGS + 40, %ebp
        movl    %cs:cur - HARNESS + CASE_REGS + 48, %esi
        movl    %cs:cur - HARNESS + CASE_REGS + 56, %edi
        iretl

/* ---- Ends of a case in 64-bit mode: nothing is pushed, so that the stack stays as it was. ---- */
        .code64
common64:
        movl    %eax, in_rax
        movl    $1, %eax
        xchgl   %eax, in_handler
        testl   %eax, %eax
        jz      1f
        movl    in_rax, %eax
        incl    %eax
        movl    %eax, save + SAVE_NESTED
        jmp     leave64
1:      movl    in_rax, %eax
        movl    %eax, save + SAVE_VECTOR
        movl    $64, save + SAVE_MODE
        movl    $STATUS_ENDED, save + SAVE_STATUS
        movq    %rcx, save + SAVE_REGS + 8
        movq    %rdx, save + SAVE_REGS + 16
        movq    %rbx, save + SAVE_REGS + 24
        movq    %rsp, save + SAVE_REGS + 32
        movq    %rbp, save + SAVE_REGS + 40
        movq    %rsi, save + SAVE_REGS + 48
        movq    %rdi, save + SAVE_REGS + 56
        movq    %r8, save + SAVE_REGS + 64
        movq    %r9, save + SAVE_REGS + 72
        movq    %r10, save + SAVE_REGS + 80
        movq    %r11, save + SAVE_REGS + 88
        movq    %r12, save + SAVE_REGS + 96
        movq    %r13, save + SAVE_REGS + 104
        movq    %r14, save + SAVE_REGS + 112
        movq    %r15, save + SAVE_REGS + 120
        movq    %rsp, save + SAVE_RSP
        cmpl    $END_SYSCALL, %eax
        je      3f
        cmpl    $END_SYSENTER, %eax
        je      3f
        movq    (%rsp), %rcx
        movq    %rcx, save + SAVE_FRAME
        movq    8(%rsp), %rcx
        movq    %rcx, save + SAVE_FRAME + 8
        movq    16(%rsp), %rcx
        movq    %rcx, save + SAVE_FRAME + 16
        movq    24(%rsp), %rcx
        movq    %rcx, save + SAVE_FRAME + 24
        movq    32(%rsp), %rcx
        movq    %rcx, save + SAVE_FRAME + 32
        movq    40(%rsp), %rcx
        movq    %rcx, save + SAVE_FRAME + 40
3:      movl    $HARNESS_STACK, %esp
        pushfq
        popq    %rax
        movl    %eax, save + SAVE_FLAGS
        movw    %es, save + SAVE_ES
        movw    %ss, save + SAVE_SS
        movw    %ds, save + SAVE_DS
        movw    %fs, save + SAVE_FS
        movw    %gs, save + SAVE_GS
        movw    %cs, save + SAVE_CS
        sldt    save + SAVE_LDTR
        str     save + SAVE_TR
        sgdt    save + SAVE_GDTR
        sidt    save + SAVE_IDTR
        movq    %cr0, %rax
        movq    %rax, save + SAVE_CR0
        movq    %cr2, %rax
        movq    %rax, save + SAVE_CR2
        movq    %cr3, %rax
        movq    %rax, save + SAVE_CR3
        movq    %cr4, %rax
        movq    %rax, save + SAVE_CR4
        movq    %cr8, %rax
        movq    %rax, save + SAVE_CR8
        movq    %dr7, %rax
        movq    %rax, save + SAVE_DR7
        movq    %dr6, %rax
        movq    %rax, save + SAVE_DR6
leave64:
        movl    $0x400, %eax
        movq    %rax, %dr7
        movq    %cr4, %rax
        andq    $~PCIDE, %rax
        movq    %rax, %cr4
        movl    $HARNESS_STACK, %esp
        lgdt    home_gdtr
        pushq   $SEL_code32
        pushq   $home
        lretq

/* ---- In protected mode: the vector is pushed. ---- */
        .code32
common32:
        pushl   %eax
        pushl   %ecx
        pushl   %ds
        movl    $SEL_data32, %eax
        movl    %eax, %ds
        movl    $1, %eax
        xchgl   %eax, in_handler
        /* ECX: the stack pointer, as wide as SS says. */
        movl    %ss, %ecx
        pushl   %eax
        lar     %ecx, %eax
        movl    %esp, %ecx
        testl   $1 << 22, %eax
        popl    %eax
        jnz     1f
        movzwl  %cx, %ecx
1:      addl    $4, %ecx
        testl   %eax, %eax
        jz      2f
        movl    %ss:12(%ecx), %eax
        incl    %eax
        movl    %eax, save + SAVE_NESTED
        jmp     leave32
2:      movl    %ss:12(%ecx), %eax
        movl    %eax, save + SAVE_VECTOR
        movl    $32, save + SAVE_MODE
        movl    $STATUS_ENDED, save + SAVE_STATUS
        movl    %ss:8(%ecx), %eax
        movl    %eax, save + SAVE_REGS
        movl    %ss:4(%ecx), %eax
        movl    %eax, save + SAVE_REGS + 8
        movw    %ss:(%ecx), %ax
        movw    %ax, save + SAVE_DS
        movl    %edx, save + SAVE_REGS + 16
        movl    %ebx, save + SAVE_REGS + 24
        movl    %esp, save + SAVE_REGS + 32
        movl    %ebp, save + SAVE_REGS + 40
        movl    %esi, save + SAVE_REGS + 48
        movl    %edi, save + SAVE_REGS + 56
        leal    16(%ecx), %eax
        movl    %eax, save + SAVE_RSP
        movw    %es, save + SAVE_ES
        movw    %ss, save + SAVE_SS
        movw    %fs, save + SAVE_FS
        movw    %gs, save + SAVE_GS
        movw    %cs, save + SAVE_CS
        movl    save + SAVE_VECTOR, %eax
        cmpl    $END_SYSENTER, %eax
        je      4f
        movl    $0, %edx
3:      movl    %ss:16(%ecx, %edx, 4), %eax
        movl    %eax, save + SAVE_FRAME(, %edx, 4)
        incl    %edx
        cmpl    $10, %edx
        jb      3b
4:      call    save_system
leave32:
        xorl    %eax, %eax
        movl    %eax, %dr7
        lgdt    home_gdtr
        ljmp    $SEL_code32, $home

/* Entered in real mode or protected mode with flat DS; no stack but the caller's. */
save_system:
        sldt    save + SAVE_LDTR
        str     save + SAVE_TR
save_control:
        sgdt    save + SAVE_GDTR
        sidt    save + SAVE_IDTR
        pushfl
        popl    %eax
        movl    %eax, save + SAVE_FLAGS
        movl    %cr0, %eax
        movl    %eax, save + SAVE_CR0
        movl    %cr2, %eax
        movl    %eax, save + SAVE_CR2
        movl    %cr3, %eax
        movl    %eax, save + SAVE_CR3
        movl    %cr4, %eax
        movl    %eax, save + SAVE_CR4
        movl    %dr7, %eax
        movl    %eax, save + SAVE_DR7
        movl    %dr6, %eax
        movl    %eax, save + SAVE_DR6
        ret

/* The task that takes double faults: its TSS is as if common32 had nothing but the error code on its stack. */
        .globl  double_fault_task
double_fault_task:
        popl    save + SAVE_FRAME
        movl    $8, save + SAVE_VECTOR
        movl    $33, save + SAVE_MODE
        movl    $STATUS_ENDED, save + SAVE_STATUS
        movw    %ss, save + SAVE_SS
        call    save_system
        jmp     leave32
/* Another task, that cases switch to. */
        .globl  other_task
other_task:
        pushl   $END_TASK
        jmp     common32

/* ---- In real mode: the vector is pushed. ---- */
        .code16
common16:
        pushw   %ds
        pushl   %eax
        movw    $HARNESS / 16, %ax
        movw    %ax, %ds
        movl    $1, %eax
        xchgl   %eax, in_handler - HARNESS
        testl   %eax, %eax
        jz      1f
        popl    %eax
        popw    %ds
        popw    %ax
        movw    $HARNESS / 16, %bx
        movw    %bx, %ds
        incw    %ax
        movw    %ax, save - HARNESS + SAVE_NESTED
        jmp     leave16
1:      popl    %eax
        movl    %eax, save - HARNESS + SAVE_REGS
        popw    %ax
        movw    %ax, save - HARNESS + SAVE_DS
        popw    %ax
        movw    %ax, save - HARNESS + SAVE_VECTOR
        movb    $16, save - HARNESS + SAVE_MODE
        movb    $STATUS_ENDED, save - HARNESS + SAVE_STATUS
        movl    %ecx, save - HARNESS + SAVE_REGS + 8
        movl    %edx, save - HARNESS + SAVE_REGS + 16
        movl    %ebx, save - HARNESS + SAVE_REGS + 24
        movl    %esp, save - HARNESS + SAVE_REGS + 32
        movl    %ebp, save - HARNESS + SAVE_REGS + 40
        movl    %esi, save - HARNESS + SAVE_REGS + 48
        movl    %edi, save - HARNESS + SAVE_REGS + 56
        movl    %esp, save - HARNESS + SAVE_RSP
        movw    %es, save - HARNESS + SAVE_ES
        movw    %ss, save - HARNESS + SAVE_SS
        movw    %fs, save - HARNESS + SAVE_FS
        movw    %gs, save - HARNESS + SAVE_GS
        popl    %eax
        movl    %eax, save - HARNESS + SAVE_FRAME
        popw    %ax
        movw    %ax, save - HARNESS + SAVE_FRAME + 4
leave16:
        xorl    %eax, %eax
        movl    %dr7, %ecx
        movl    %eax, %dr7
        movl    %cr0, %ebx
        lgdtl   home_gdtr - HARNESS
        movl    %ebx, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $SEL_code32, $from_real
        .code32
from_real:
        movl    $SEL_data32, %eax
        movl    %eax, %ds
        movl    %eax, %ss
        movl    $HARNESS_STACK, %esp
        cmpl    $0, save + SAVE_NESTED
        jne     home
        call    save_control
        movl    %ebx, save + SAVE_CR0
        movl    %ecx, save + SAVE_DR7
        movl    $0, save + SAVE_FLAGS

/* In 32-bit code with the home GDT: paging off, everything back. */
home:   movl    $SEL_data32, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $HARNESS_STACK, %esp
        pushl   $2
        popfl
        movl    %cr0, %eax
        movl    $0x11, %eax
        movl    %eax, %cr0
        lidt    home_idtr
        movl    $EFER_MSR, %ecx
        rdmsr
        movl    %eax, save + SAVE_EFER
        xorl    %eax, %eax
        xorl    %edx, %edx
        wrmsr
        movl    $OSFXSR, %eax
        movl    %eax, %cr4
        movl    $FS_BASE_MSR, %ecx
        rdmsr
        movl    %eax, save + SAVE_FS_BASE
        movl    %edx, save + SAVE_FS_BASE + 4
        movl    $GS_BASE_MSR, %ecx
        rdmsr
        movl    %eax, save + SAVE_GS_BASE
        movl    %edx, save + SAVE_GS_BASE + 4
        movl    $KERNEL_GS_BASE_MSR, %ecx
        rdmsr
        movl    %eax, save + SAVE_KERNEL_GS_BASE
        movl    %edx, save + SAVE_KERNEL_GS_BASE + 4
        xorl    %eax, %eax
        lldt    %ax
        movl    %eax, %fs
        movl    %eax, %gs
        call    result_address
        fxsave  FXSAVE(%edi)
        movl    $save, %esi
        pushl   %edi
        movl    $SAVE_BYTES / 4, %ecx
        rep movsl
        popl    %ebx
        call    compare
        jmp     advance

/* EBX: the result. Writes down where the arena differs from its template. */
compare:
        movl    template, %esi
        movl    $ARENA, %edi
        movl    $ARENA_BYTES / 4, %ecx
        leal    DIFFS(%ebx), %ebp
        xorl    %edx, %edx
        movl    $0, DIFF_COUNT(%ebx)
1:      repe cmpsl
        je      2f
        incl    DIFF_COUNT(%ebx)
        movl    -4(%edi), %eax
        imull   $0x01000193, %edx, %edx
        xorl    %eax, %edx
        imull   $0x01000193, %edx, %edx
        xorl    %edi, %edx
        cmpl    $DIFFS_MAX, DIFF_COUNT(%ebx)
        ja      3f
        movl    %eax, 4(%ebp)
        leal    -4(%edi), %eax
        movl    %eax, (%ebp)
        addl    $8, %ebp
3:      testl   %ecx, %ecx
        jnz     1b
2:      movl    %edx, DIFF_COUNT + 4(%ebx)
        ret

/* An exception at home: the case cannot be set up. */
home_fault:
        movl    $SEL_data32, %eax
        movl    %eax, %ds
        movl    %eax, %ss
        popl    %eax
        movl    %eax, save + SAVE_VECTOR
        movl    $STATUS_HOME, save + SAVE_STATUS
        popl    save + SAVE_FRAME
        popl    save + SAVE_FRAME + 8
        movl    $HARNESS_STACK, %esp
        jmp     leave32

/* ---- Stubs: those of 64-bit mode 32 bytes apart, the others 16. ---- */
        .balign 32
        .globl  stubs64
stubs64:
        .code64
        .set    n, 0
        .rept   0x104
        .balign 32
        movabsq %rax, save + SAVE_REGS
        movl    $n, %eax
        jmp     common64
        .set    n, n + 1
        .endr
        .globl  stubs32
        .balign 16
stubs32:
        .code32
        .set    n, 0
        .rept   0x104
        .balign 16
        pushl   $n
        jmp     common32
        .set    n, n + 1
        .endr
        .globl  stubs16
        .balign 16
stubs16:
        .code16
        .set    n, 0
        .rept   0x104
        .balign 16
        pushw   $n
        jmp     common16
        .set    n, n + 1
        .endr

/* ---- Data. ---- */
        .balign 8
home_stubs:
        .code32
        .set    n, 0
        .rept   32
        .balign 16
        pushl   $n
        jmp     home_fault
        .set    n, n + 1
        .endr
        .balign 8
home_gdt:
        .quad   0
        .quad   0x00cf9b000000ffff              /* code32 */
        .quad   0x00cf93000000ffff              /* data32 */
        .quad   0x00409b010000ffff              /* low32 */
        .quad   0x000093000000ffff              /* data16 */
        .quad   0x00af9b000000ffff              /* code64 */
        .quad   0x00009b010000ffff              /* low16 */
home_gdt_end:
home_idt:
        .set    n, 0
        .rept   32
        .word   home_stubs - image + 16 * n, SEL_low32, 0x8e00, 0
        .set    n, n + 1
        .endr
home_idt_end:
home_gdtr:
        .word   home_gdt_end - home_gdt - 1
        .quad   home_gdt
home_idtr:
        .word   home_idt_end - home_idt - 1
        .quad   home_idt
        .balign 4
/* What every case starts with: index, low, high. */
plain_msrs:
        .long   0xc0000081, 0, SEL_code64 | (SEL_code16 | 3) << 16
        .long   0xc0000082, stubs64 + 32 * END_SYSCALL, 0
        .long   0xc0000083, stubs64 + 32 * END_SYSCALL, 0
        .long   0xc0000084, 0x47700, 0
        .long   FS_BASE_MSR, 0, 0
        .long   GS_BASE_MSR, 0, 0
        .long   KERNEL_GS_BASE_MSR, 0x89abcdef, 0x1234
        .long   0xc0000103, 0x77, 0
        .long   0x174, SEL_code32, 0
        .long   0x175, 0, 0
        .long   0x176, 0, 0
        .long   0x277, 0x00070406, 0x00070406
plain_msrs_end:
        .balign 16
fresh_fpu:
        .word   0x37f, 0, 0, 0
        .long   0, 0, 0, 0, 0x1f80, 0xffff
        .set    n, 0
        .rept   8
        .quad   0x8000000000000000 + n * 0x0123456789, 0x3fff + n % 8
        .set    n, n + 1
        .endr
        .rept   16
        .quad   0x0101010101010101 * (n % 251), 0x00f0000000000000 + n * n
        .set    n, n + 1
        .endr
        .balign 16
        .globl  cur
cur:    .fill   CASE_BYTES, 1, 0
        .balign 16
save:   .fill   SAVE_BYTES, 1, 0
template:
        .long   0
in_handler:
        .long   0
in_rax: .long   0
/* XCR0 as each case finds it: x87, SSE, and AVX where it is there. */
states: .long   0
        .balign 16
image_end:
