/* Increments of quantize() may take away what earlier ones gave. */
#pragma D option quiet


BEGIN
{
	@ = quantize(4, 3);
	@ = quantize(4, -1);
	@ = quantize(9, 1);
	exit(0);
}
