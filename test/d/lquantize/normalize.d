/* Normalization divides the counts. */
#pragma D option quiet


BEGIN
{
	@ = lquantize(2, 0, 10, 2, 50);
	@ = lquantize(4, 0, 10, 2, 150);
	exit(0);
}

END
{
	normalize(@, 50);
}
