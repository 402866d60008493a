/* A key of the wrong type. */

BEGIN
{
	a["x"] = 1;
	a[5] = 2;
}
