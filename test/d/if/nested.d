/* Nested conditions. */
#pragma D option quiet


BEGIN
{
	a = 1;
	b = 0;
	if (a) {
		if (b) {
			printf("both\n");
		} else {
			printf("only a\n");
		}
	} else {
		printf("no a\n");
	}
	exit(0);
}
