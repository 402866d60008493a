/* #error. */
#error this cannot work

BEGIN
{
	exit(0);
}
