/* A variable cannot have the name of a function. */

int strlen;

BEGIN
{
	exit(0);
}
