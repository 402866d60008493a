/* %C and %S show what cannot be printed as escapes. */
#pragma D option quiet


BEGIN
{
	printf("[%C][%C][%C][%C]\n", 'a', '\n', '\t', '\\');
	printf("[%S]\n", "a\tb\nc");
	printf("[%S]\n", "plain");
	exit(0);
}
