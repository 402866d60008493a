/* lltostr() with a base: hexadecimal and octal numbers carry their prefix. */
#pragma D option quiet


BEGIN
{
	printf("%s %s %s\n", lltostr(255, 16), lltostr(8, 8), lltostr(5, 2));
	printf("%s %s %s\n", lltostr(255, 10), lltostr(35, 36), lltostr(36, 36));
	printf("%s\n", lltostr(-1, 16));
	exit(0);
}
