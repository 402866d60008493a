/* A sum of 64-bit values does not stop at 32 bits. */
#pragma D option quiet


BEGIN
{
	@ = sum(0x7fffffff);
	@ = sum(0x7fffffff);
	@ = sum(0x100000000);
	exit(0);
}
