/* Llquantize() without parameters. */

BEGIN
{
	@ = llquantize(1, 10);
}
