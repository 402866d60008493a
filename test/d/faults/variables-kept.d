/* Variables assigned before the fault keep their values. */
#pragma D option quiet


BEGIN
{
	zero = 0;
}

BEGIN
{
	a = 5;
	b = 1 / zero;
	a = 6;
}

BEGIN
{
	printf("%d %d\n", a, b);
	exit(0);
}
