/* A record larger than the buffer is dropped. */
#pragma D option quiet
#pragma D option droptags
#pragma D option bufsize=256
#pragma D option strsize=1k


BEGIN
{
	trace("a string takes strsize bytes of the buffer");
}

BEGIN
{
	exit(0);
}
