/* Aggregating over ticks. */
#pragma D option quiet


tick-1ms
{
	@ = sum(2);
	i++;
}

tick-1ms
/i == 3/
{
	exit(0);
}
