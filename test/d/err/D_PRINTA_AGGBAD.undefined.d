/* Printa() of an aggregation that nothing assigns. */

BEGIN
{
	printa(@a[1]);
}
