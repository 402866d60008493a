/* Other steps the second time. */

BEGIN
{
	@ = llquantize(1, 10, 1, 3, 10);
	@ = llquantize(1, 10, 1, 3, 20);
}
