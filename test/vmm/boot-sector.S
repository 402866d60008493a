# A boot sector: reads the two sectors behind it by cylinder, head and sector and by LBA if the drive has that (INT 13h), prints them by INT 10h, says on COM1 which start this
# is, resets the machine the first time through port CF9h, and leaves by the debug-exit port the second time. CMOS byte 40h counts the starts.
.code16
.globl start
.org 0
start:
        xor %ax, %ax
        mov %ax, %ds
        mov %ax, %es
        mov %ax, %ss
        mov $0x7c00, %sp
        mov %dl, drive
        movb $0, 0x8000
        mov $0x0201, %ax
        mov $0x7e00, %bx
        mov $0x0002, %cx
        mov $0, %dh
        int $0x13
        jc failed
        mov drive, %dl
        mov $0x41, %ah
        mov $0x55aa, %bx
        int $0x13
        jc 1f
        mov drive, %dl
        mov $packet, %si
        mov $0x42, %ah
        int $0x13
        jc failed
1:      mov $0x7e00, %si
        call print
        mov $0x8000, %si
        call print
        mov $0x40, %al
        out %al, $0x70
        in $0x71, %al
        inc %al
        mov %al, %bl
        mov $0x40, %al
        out %al, $0x70
        mov %bl, %al
        out %al, $0x71
        add $'0', %al
        mov $0x3f8, %dx
        out %al, %dx
        cmp $1, %bl
        ja leave_now
        mov $0xcf9, %dx
        mov $6, %al
        out %al, %dx
        hlt
leave_now:
        mov %bl, %al
        out %al, $0xf4
        hlt
failed:
        mov $0x77, %al
        out %al, $0xf4
        hlt
print:
        lodsb
        test %al, %al
        jz 1f
        mov $0x0e, %ah
        mov $7, %bx
        int $0x10
        jmp print
1:      ret
drive:  .byte 0
packet: .byte 16, 0
        .word 1
        .word 0x8000, 0
        .quad 2
.org 446
        .byte 0x80, 0, 2, 0, 0x83, 0, 3, 0
        .long 1, 2
.org 510
        .word 0xaa55
.org 512
        .asciz "by cylinder, head and sector\r\n"
.org 1024
        .asciz "by LBA\r\n"
.org 0x100000
