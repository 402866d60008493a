/* Escape sequences in string constants. */
#pragma D option quiet


BEGIN
{
	printf("%d %d %d\n", strlen("\n"), strlen("\t\t"), strlen("a\\b"));
	printf("%s\n", "quote \" backslash \\ octal \101 hex \x42");
	printf("%d\n", strlen("\x41\x42\x43"));
	exit(0);
}
