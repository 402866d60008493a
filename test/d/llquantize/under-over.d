/* What lies below the lowest and above the highest magnitude. */
#pragma D option quiet


BEGIN
{
	@ = llquantize(0, 10, 1, 2, 10);
	@ = llquantize(9, 10, 1, 2, 10);
	@ = llquantize(999, 10, 1, 2, 10);
	@ = llquantize(1000, 10, 1, 2, 10);
	@ = llquantize(123456, 10, 1, 2, 10);
	exit(0);
}
