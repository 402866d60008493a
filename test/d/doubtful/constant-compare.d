/*
 * In C -1 == 0xffffffff, because 0xffffffff is an unsigned int. libdtrace folds constants in 64 bits and finds them different.
 */
#pragma D option quiet


BEGIN
{
	m = -1;
	u = (uint32_t)0xffffffff;
	printf("%d\n", m == u);
	exit(0);
}
