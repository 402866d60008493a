/* count() counts firings of the statement, per aggregation and per key; the aggregations print at the end in the order they appear. */
#pragma D option quiet


BEGIN
{
	@ = count();
	@ = count();
	@keyed["one"] = count();
	@keyed["two"] = count();
	@keyed["two"] = count();
	exit(0);
}
