/* Size prefixes agree with their types. */
#pragma D option quiet


BEGIN
{
	printf("%hd %ho %hu %hx\n", (short)-5, (unsigned short)8, (unsigned short)65535, (short)255);
	printf("%ld %lo %lu %lx\n", (long)-5, (unsigned long)8, (unsigned long)5, (long)255);
	printf("%lld %llo %llu %llx\n", (long long)-5, (unsigned long long)8, (unsigned long long)5, (long long)255);
	exit(0);
}
