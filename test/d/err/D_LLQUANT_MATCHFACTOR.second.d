/* Another factor the second time. */

BEGIN
{
	@ = llquantize(1, 2, 1, 5, 4);
	@ = llquantize(1, 4, 1, 5, 4);
}
