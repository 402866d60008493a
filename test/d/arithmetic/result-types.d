/* The type of a result is the wider operand's. */
#pragma D option quiet


BEGIN
{
	i = 1;
	l = (long)1;
	ll = (long long)1;
	u = (unsigned int)1;
	printf("%d %d %d %d\n", sizeof (i + i), sizeof (i + l), sizeof (u + ll), sizeof (u + i));
	exit(0);
}
