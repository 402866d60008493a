/* Printa() of a format alone. */

BEGIN
{
	printa("text");
}
