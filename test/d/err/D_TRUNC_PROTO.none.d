/* Trunc() of nothing. */

BEGIN
{
	trunc();
}
