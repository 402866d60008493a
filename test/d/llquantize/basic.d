/* Log-linear: magnitudes of ten, ten steps in each. */
#pragma D option quiet


BEGIN
{
	@ = llquantize(1, 10, 0, 3, 10);
	@ = llquantize(5, 10, 0, 3, 10);
	@ = llquantize(10, 10, 0, 3, 10);
	@ = llquantize(55, 10, 0, 3, 10);
	@ = llquantize(55, 10, 0, 3, 10);
	exit(0);
}
