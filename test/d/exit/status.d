/* The argument of exit() is the command's status. */
#pragma D option quiet


BEGIN
{
	exit(7);
}
