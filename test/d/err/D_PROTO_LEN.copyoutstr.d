/* copyoutstr() has at least two. */
#pragma D option destructive

BEGIN
{
	copyoutstr("text");
	exit(0);
}
