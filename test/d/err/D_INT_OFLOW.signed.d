/* A decimal constant that no signed type holds. */

BEGIN
{
	x = 9223372036854775808;
}
