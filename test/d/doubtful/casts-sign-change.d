/*
 * Widening casts that also change the sign, as C has them: the value is extended by the sign of what is cast.
 * Doubtful because libdtrace has at times shifted by the source's width here, and given ffffffff for (uint64_t)-1.
 */
#pragma D option quiet


BEGIN
{
	i = -1;
	s = (short)-2;
	u = (unsigned char)200;
	w = (uint32_t)0xffffffff;
	printf("%x %x %d %d\n", (uint64_t)i, (uint32_t)s, (long long)u, (int64_t)w);
	exit(0);
}
