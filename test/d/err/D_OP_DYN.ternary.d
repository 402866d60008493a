/* Aggregations as branches of ?:. */

BEGIN
{
	@a = count();
	@b = count();
}

BEGIN
{
	x = 1;
	y = x ? @a : @b;
}
