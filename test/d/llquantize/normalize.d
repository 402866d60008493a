/* Normalization divides the counts. */
#pragma D option quiet


BEGIN
{
	@ = llquantize(3, 10, 0, 1, 10, 40);
	@ = llquantize(4, 10, 0, 1, 10, 80);
	exit(0);
}

END
{
	normalize(@, 20);
}
