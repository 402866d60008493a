/* The fifth argument is what is added. */
#pragma D option quiet


BEGIN
{
	@ = lquantize(2, 0, 10, 2, 7);
	@ = lquantize(4, 0, 10, 2, 21);
	exit(0);
}
