/*
 * Four small loops for the speed of plain guest code. LOOP names the one that is built in, ROUNDS how often it runs; `nothing` measures what
 * starting costs. Each returns something that depends on all it did.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

u32 nothing(u32 rounds) {
  return rounds & 0;
}

static u8 composite[1 << 20];

u32 sieve(u32 rounds) {
  const u32 n = sizeof composite;
  u32 primes = 0;
  while (rounds--) {
    primes = 0;
    for (u32 i = 0; i < n; i++) composite[i] = 0;
    for (u32 i = 2; i < n; i++) {
      if (composite[i]) continue;
      primes++;
      for (u64 j = (u64)i * i; j < n; j += i) composite[j] = 1;
    }
  }
  return primes;
}

static u32 table[256];
static u8 text[65536];

u32 crc32(u32 rounds) {
  for (u32 i = 0; i < 256; i++) {
    u32 c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? (c >> 1) ^ 0xedb88320u : c >> 1;
    table[i] = c;
  }
  for (u32 i = 0; i < sizeof text; i++) text[i] = (u8)(i * 7 + (i >> 8));
  u32 crc = 0;
  while (rounds--) {
    crc = ~crc;
    for (u32 i = 0; i < sizeof text; i++) crc = table[(crc ^ text[i]) & 0xff] ^ (crc >> 8);
    crc = ~crc;
  }
  return crc;
}

struct node {
  struct node *next;
  u64 value;
};

static struct node nodes[1 << 16];
static u64 from[4096], to[4096];

u32 chase(u32 rounds) {
  const u32 n = sizeof nodes / sizeof nodes[0];
  /* An odd stride visits every node of a power of two. */
  for (u32 i = 0; i < n; i++) {
    nodes[(i * 40503u) & (n - 1)].next = &nodes[((i + 1) * 40503u) & (n - 1)];
    nodes[i].value = i;
  }
  u64 sum = 0;
  struct node *p = nodes;
  while (rounds--) {
    for (u32 i = 0; i < n; i++) {
      sum += p->value;
      p = p->next;
    }
    for (u32 k = 0; k < 16; k++)
      for (u32 i = 0; i < 4096; i++) to[i] = from[i] + sum;
    from[sum & 4095] = to[(sum >> 12) & 4095];
  }
  return (u32)sum;
}

static __attribute__((noinline)) u32 fibonacci(u32 n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

u32 fib(u32 rounds) {
  u32 sum = 0;
  while (rounds--) sum += fibonacci(25);
  return sum;
}

u32 loop_main(void) {
  return LOOP(ROUNDS);
}
