/* #line needs a number. */
#line "file"

BEGIN
{
	exit(0);
}
