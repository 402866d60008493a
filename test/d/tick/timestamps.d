/* timestamp does not go back, and moves between ticks. */
#pragma D option quiet

uint64_t last;


tick-1ms
/last/
{
	printf("%d\n", timestamp > last);
	exit(0);
}

tick-1ms
{
	last = timestamp;
}
