/* %d and %i print integers of every width, signed or not by their type. */
#pragma D option quiet


BEGIN
{
	printf("%d %d %d %d\n", (char)-1, (short)-2, -3, -4LL);
	printf("%i %i\n", (unsigned char)255, (uint64_t)18446744073709551615u);
	exit(0);
}
