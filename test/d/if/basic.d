/* if and else. */
#pragma D option quiet


BEGIN
{
	x = 5;
	if (x > 3)
		printf("big\n");
	else
		printf("small\n");
	if (x > 9) {
		printf("huge\n");
	} else {
		printf("not huge\n");
	}
	exit(0);
}
