/* Powers of two, one empty bucket on each side, bars of forty columns by share. */
#pragma D option quiet


BEGIN
{
	@ = quantize(1);
	@ = quantize(2);
	@ = quantize(3);
	@ = quantize(4);
	@ = quantize(5);
	@ = quantize(6);
	@ = quantize(7);
	@ = quantize(8);
	@ = quantize(9);
	@ = quantize(10);
	exit(0);
}
