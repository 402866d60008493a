/* Aggregations live in bounded memory as well. */
#pragma D option quiet
#pragma D option aggsize=16
#pragma D option droptags


BEGIN
{
	@a[1] = count();
	exit(0);
}
