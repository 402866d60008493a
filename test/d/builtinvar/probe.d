/* The name of the probe that fires. */
#pragma D option quiet


BEGIN
{
	printf("%s:%s:%s:%s %d\n", probeprov, probemod, probefunc, probename, id);
}

END
{
	printf("%s:%s:%s:%s %d\n", probeprov, probemod, probefunc, probename, id);
}

BEGIN
{
	exit(0);
}
