/* The interval pattern: print, clear, go on. */
#pragma D option quiet


tick-1ms
{
	@ = count();
	printa("%@d\n", @);
	clear(@);
}

tick-1ms
/i++ == 2/
{
	exit(0);
}
