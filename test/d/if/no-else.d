/* if without else. */
#pragma D option quiet


BEGIN
{
	x = 0;
	if (x)
		printf("wrong\n");
	if (!x) {
		printf("one\n");
		printf("two\n");
	}
	printf("three\n");
	exit(0);
}
