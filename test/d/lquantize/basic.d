/* Linear buckets, with those below and above the range. */
#pragma D option quiet


BEGIN
{
	@ = lquantize(-5, 0, 100, 10);
	@ = lquantize(0, 0, 100, 10);
	@ = lquantize(9, 0, 100, 10);
	@ = lquantize(10, 0, 100, 10);
	@ = lquantize(55, 0, 100, 10);
	@ = lquantize(99, 0, 100, 10);
	@ = lquantize(100, 0, 100, 10);
	@ = lquantize(1000, 0, 100, 10);
	exit(0);
}
