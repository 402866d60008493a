/* With both signs the bars are of twenty columns around a middle line. */
#pragma D option quiet


BEGIN
{
	@ = quantize(16, -5);
	@ = quantize(32, 15);
	@ = quantize(128, 20);
	exit(0);
}
