/* Twenty steps a magnitude of ten: a magnitude begins in steps of a twentieth of its end. */
#pragma D option quiet


BEGIN
{
	@ = llquantize(100, 10, 1, 3, 20);
	@ = llquantize(149, 10, 1, 3, 20);
	@ = llquantize(150, 10, 1, 3, 20);
	@ = llquantize(199, 10, 1, 3, 20);
	@ = llquantize(200, 10, 1, 3, 20);
	exit(0);
}
