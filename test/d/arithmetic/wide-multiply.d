/* 64-bit products wrap. */
#pragma D option quiet


BEGIN
{
	a = 0x100000000;
	b = 0x100000001;
	printf("%x\n", a * b);
	c = 3037000500LL;
	printf("%d\n", c * c);
	exit(0);
}
