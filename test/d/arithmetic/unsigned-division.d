/* With one unsigned operand the division is unsigned. */
#pragma D option quiet


BEGIN
{
	a = (uint32_t)4294967295;
	b = (uint32_t)2;
	printf("%u %u\n", a / b, a % b);
	c = (uint64_t)0xfffffffffffffffe;
	d = (uint64_t)3;
	printf("%u %u\n", c / d, c % d);
	exit(0);
}
