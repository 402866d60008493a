/* Several aggregations in one printa(): the keys once, then one column each. */
#pragma D option quiet


BEGIN
{
	@n["a"] = count();
	@n["b"] = count();
	@n["b"] = count();
	@t["a"] = sum(100);
	@t["b"] = sum(50);
	exit(0);
}

END
{
	printa(@n, @t);
}
