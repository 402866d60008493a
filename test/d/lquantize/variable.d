/* The value, not the parameters, may be any expression. */
#pragma D option quiet


BEGIN
{
	i = 1;
	@ = lquantize(i * 10, 0, 50, 10);
	i++;
	@ = lquantize(i * 10, 0, 50, 10);
	i++;
	@ = lquantize(i * 10, 0, 50, 10);
	exit(0);
}
