/* Avg() of two. */

BEGIN
{
	@ = avg(1, 2);
}
