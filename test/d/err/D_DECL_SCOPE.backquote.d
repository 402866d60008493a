/* A scoping mark in a declared name. */

int a`b;

BEGIN
{
	exit(0);
}
