/* A fault in ERROR is counted, not reported. */
#pragma D option quiet
#pragma D option droptags


ERROR
{
	x = *(int *)8;
}

BEGIN
{
	x = *(int *)4;
}

BEGIN
{
	exit(0);
}
