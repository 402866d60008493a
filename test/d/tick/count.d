/* A tick probe fires again and again until exit(). */
#pragma D option quiet


tick-1ms
{
	n++;
}

tick-1ms
/n == 5/
{
	printf("%d\n", n);
	exit(0);
}
