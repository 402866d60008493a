/* Long void. */

long void *p;

BEGIN
{
	exit(0);
}
