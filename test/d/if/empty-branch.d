/* Empty branches. */
#pragma D option quiet


BEGIN
{
	x = 1;
	if (x) {
	} else {
		printf("wrong\n");
	}
	printf("done\n");
	exit(0);
}
