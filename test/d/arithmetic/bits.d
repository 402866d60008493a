/* and, or, exclusive or. */
#pragma D option quiet


BEGIN
{
	a = 0xff00;
	b = 0x0ff0;
	printf("%x %x %x\n", a & b, a | b, a ^ b);
	c = 0xffffffff00000000;
	printf("%x %x %x\n", c & a, c | a, c ^ c);
	exit(0);
}
