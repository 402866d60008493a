/* A factor of two with two steps is quantize() of a range. */
#pragma D option quiet


BEGIN
{
	@ = llquantize(4, 2, 0, 5, 2);
	@ = llquantize(7, 2, 0, 5, 2);
	@ = llquantize(8, 2, 0, 5, 2);
	exit(0);
}
