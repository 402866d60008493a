/* A fault in ERROR itself does not fire ERROR again. */
#pragma D option quiet


BEGIN
{
	x = *(int *)8;
}

BEGIN
{
	exit(0);
}

ERROR
{
	n++;
}

ERROR
{
	y = *(int *)16;
}

END
{
	printf("%d\n", n);
}
