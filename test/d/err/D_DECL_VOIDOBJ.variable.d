/* A void variable. */

void v;

BEGIN
{
	exit(0);
}
