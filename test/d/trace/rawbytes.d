/* rawbytes dumps text as well. */
#pragma D option quiet

#pragma D option rawbytes
#pragma D option strsize=16

BEGIN
{
	trace("dump me");
	exit(0);
}
