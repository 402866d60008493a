/* Device numbers: 32 bits of major above 32 bits of minor. */
#pragma D option quiet


BEGIN
{
	printf("%d %d\n", getmajor(0x500000007), getminor(0x500000007));
	exit(0);
}
