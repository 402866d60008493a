/* The step is 1 when it is left out. */
#pragma D option quiet


BEGIN
{
	@ = lquantize(3, 0, 5);
	@ = lquantize(3, 0, 5);
	@ = lquantize(4, 0, 5);
	exit(0);
}
