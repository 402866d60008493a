/* %Y is a date as adb prints it, of a time in nanoseconds. */
#pragma D option quiet


BEGIN
{
	printf("%Y\n", (int64_t)0);
	printf("%Y\n", (uint64_t)1000000000000000000);
	printf("[%22Y]\n", (int64_t)86400000000000);
	exit(0);
}
