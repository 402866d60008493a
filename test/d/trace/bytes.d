/* Data that is neither a number nor text is dumped. */
#pragma D option quiet


int a[5];

BEGIN
{
	a[0] = 1;
	a[1] = 0x01020304;
	a[4] = -1;
	trace(a);
	exit(0);
}
