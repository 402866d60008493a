/* strchr() and strrchr() give the rest of the string from a character on. */
#pragma D option quiet


BEGIN
{
	printf("%s %s\n", strchr("/usr/lib", 'u'), strchr("/usr/lib", '/'));
	printf("%s %s\n", strrchr("/usr/lib", '/'), strrchr("banana", 'a'));
	printf("%d\n", strchr("abc", 'x') == NULL);
	printf("%d\n", strrchr("abc", 'x') == NULL);
	exit(0);
}
