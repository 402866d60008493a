/* Sizes take k, m and g; rates take units. */
#pragma D option quiet

#pragma D option bufsize=64k
#pragma D option aggsize=1m
#pragma D option dynvarsize=128K
#pragma D option specsize=32k
#pragma D option strsize=128
#pragma D option switchrate=10hz
#pragma D option aggrate=100ms
#pragma D option nspec=2

BEGIN
{
	printf("fine\n");
	exit(0);
}
