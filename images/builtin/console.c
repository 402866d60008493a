/* The console: COM1, polled. 16550A data sheet: line 115200 8N1, FIFOs on, no interrupts. */
#include "kernel.h"

#define COM1 0x3f8
#define DATA (COM1 + 0)
#define INTERRUPT_ENABLE (COM1 + 1)
#define FIFO_CONTROL (COM1 + 2)
#define LINE_CONTROL (COM1 + 3)
#define MODEM_CONTROL (COM1 + 4)
#define LINE_STATUS (COM1 + 5)
#define DIVISOR_ACCESS 0x80
#define TRANSMIT_EMPTY 0x20

void console_init(void) {
  outb(INTERRUPT_ENABLE, 0);
  outb(LINE_CONTROL, DIVISOR_ACCESS);
  outb(DATA, 1);
  outb(INTERRUPT_ENABLE, 0);
  outb(LINE_CONTROL, 0x03);
  outb(FIFO_CONTROL, 0x07);
  outb(MODEM_CONTROL, 0x03);
}

static void put(char c) {
  while (!(inb(LINE_STATUS) & TRANSMIT_EMPTY)) __asm__ volatile("pause");
  outb(DATA, c);
}

static void put_char(char c) {
  if (c == '\n') put('\r');
  put(c);
}

void print_bytes(const char *text, u64 length) {
  while (length--) put_char(*text++);
}

void print(const char *format, ...) {
  __builtin_va_list args;
  __builtin_va_start(args, format);
  for (; *format; format++) {
    char number[24], *end = number;
    if (*format != '%') {
      put_char(*format);
      continue;
    }
    switch (*++format) {
      case 's':
        for (const char *s = __builtin_va_arg(args, const char *); *s; s++) put_char(*s);
        break;
      case 'c': put_char((char)__builtin_va_arg(args, u64)); break;
      case 'u': end = put_number(number, __builtin_va_arg(args, u64), 10, 1); break;
      case 'x': end = put_number(put_text(number, "0x"), __builtin_va_arg(args, u64), 16, 1); break;
    }
    print_bytes(number, end - number);
  }
  __builtin_va_end(args);
}
