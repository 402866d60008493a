/* A call of a string. */

BEGIN
{
	x = "f"(1);
}
