/* Faults are counted one by one. */
#pragma D option quiet


BEGIN { x = *(char *)1; }
BEGIN { x = *(char *)2; }
BEGIN { x = *(char *)3; }

ERROR
{
	n++;
	total += arg5;
}

BEGIN
{
	printf("%d %d\n", n, total);
	exit(0);
}
