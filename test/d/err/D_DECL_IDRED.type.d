/* One name, two types. */

int x;

char x;

BEGIN
{
	exit(0);
}
