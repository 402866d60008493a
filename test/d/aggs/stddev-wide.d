/* Squares of 64-bit values are kept in 128 bits: values 0 and 2^33 deviate by 2^32. */
#pragma D option quiet


BEGIN
{
	@ = stddev(0);
	@ = stddev(0x200000000);
	exit(0);
}
