/* Printa() of a number. */

BEGIN
{
	x = 1;
	printa(x);
}
