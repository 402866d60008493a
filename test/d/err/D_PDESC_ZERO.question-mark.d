/* ? is one character. */

dtrace:::BEGI?N
{
	exit(0);
}
