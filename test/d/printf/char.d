/* %c prints one byte. */
#pragma D option quiet


BEGIN
{
	printf("[%c][%c][%c]\n", 'A', 98, (char)0x43);
	printf("[%3c][%-3c]\n", 'x', 'y');
	exit(0);
}
