/* The one name that freopen() refuses. */

BEGIN
{
	freopen(".");
}
