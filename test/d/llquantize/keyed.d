/* With keys, as every aggregation. */
#pragma D option quiet


BEGIN
{
	@["k", 3] = llquantize(7, 10, 0, 2, 10);
	exit(0);
}
