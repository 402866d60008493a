/* In a row, printf's newline comes before the row's own. */

BEGIN
{
	printf("hello\n");
}

END
{
	printf("bye");
}

BEGIN
{
	exit(0);
}
