/* The complement of each width. */
#pragma D option quiet


BEGIN
{
	a = 0;
	b = 0LL;
	c = (uint32_t)0xf0f0f0f0;
	printf("%d %d\n", ~a, ~b);
	printf("%x\n", ~c);
	printf("%d\n", ~5);
	exit(0);
}
