/* A string as an array's size. */

int a["five"];

BEGIN
{
	exit(0);
}
