/* Sum() of nothing. */

BEGIN
{
	@ = sum();
}
