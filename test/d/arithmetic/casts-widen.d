/* A cast to a wider type extends by the sign of what is cast. */
#pragma D option quiet


BEGIN
{
	i = -1;
	u = (unsigned int)4294967295;
	s = (short)-2;
	c = (unsigned char)254;
	printf("%x %x\n", (int64_t)i, (uint64_t)u);
	printf("%d %d\n", (int64_t)s, (uint64_t)c);
	exit(0);
}
