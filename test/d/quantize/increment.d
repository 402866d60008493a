/* The second argument is what is added. */
#pragma D option quiet


BEGIN
{
	@ = quantize(1, 10);
	@ = quantize(100, 30);
	exit(0);
}
