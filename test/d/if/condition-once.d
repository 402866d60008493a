/* The condition is evaluated once, before either branch. */
#pragma D option quiet


BEGIN
{
	n = 0;
	if (n++ == 0) {
		printf("first\n");
		n = 10;
	} else {
		printf("second\n");
	}
	printf("%d\n", n);
	exit(0);
}
