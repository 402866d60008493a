/* A character constant of several characters has the last one in its low byte. */
#pragma D option quiet


BEGIN
{
	printf("%x %x\n", 'AB', 'abcd');
	exit(0);
}
