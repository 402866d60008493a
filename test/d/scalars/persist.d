/* Global variables keep their values from one firing to the next. */
#pragma D option quiet


BEGIN
{
	x = 3;
}

BEGIN
{
	x = x * x;
}

END
{
	printf("%d\n", x);
}

BEGIN
{
	exit(0);
}
