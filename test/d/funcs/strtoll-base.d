/* strtoll() with a base. */
#pragma D option quiet


BEGIN
{
	printf("%d %d %d\n", strtoll("ff", 16), strtoll("0x1f", 16), strtoll("-0X10", 16));
	printf("%d %d %d\n", strtoll("777", 8), strtoll("1012", 2), strtoll("zz", 36));
	exit(0);
}
