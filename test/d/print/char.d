/* A character in quotes. */
#pragma D option quiet


BEGIN
{
	print((char)'x');
	print((char)0);
	print((char)10);
	exit(0);
}
