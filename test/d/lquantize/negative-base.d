/* The range may begin below zero. */
#pragma D option quiet


BEGIN
{
	@ = lquantize(-10, -10, 10, 5);
	@ = lquantize(-1, -10, 10, 5);
	@ = lquantize(9, -10, 10, 5);
	@ = lquantize(-11, -10, 10, 5);
	exit(0);
}
