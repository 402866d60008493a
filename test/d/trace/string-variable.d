/* Strings from variables and subroutines. */
#pragma D option quiet


BEGIN
{
	s = "abc";
	trace(s);
	trace(strjoin(s, "def"));
	trace("\n");
	exit(0);
}
