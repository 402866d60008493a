/* exit() in one of two branches. */
#pragma D option quiet


tick-1ms
{
	n++;
	if (n < 3) {
		printf("%d\n", n);
	} else {
		printf("last\n");
		exit(5);
	}
}
