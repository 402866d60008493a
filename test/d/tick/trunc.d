/* trunc() in between removes keys. */
#pragma D option quiet


int i;

tick-1ms
{
	@[i] = count();
	printa("%d:%@d\n", @);
	trunc(@);
	i++;
}

tick-1ms
/i == 3/
{
	exit(0);
}
