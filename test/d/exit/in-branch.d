/* What follows an if in which exit() was called is a clause of its own, so it does not run. */
#pragma D option quiet


BEGIN
{
	x = 1;
	if (x == 1) {
		exit(0);
		printf("branch\n");
	}
	printf("after\n");
}
