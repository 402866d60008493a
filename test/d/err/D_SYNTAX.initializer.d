/* A declaration has no initial value. */

int i = 1;

BEGIN
{
	exit(0);
}
