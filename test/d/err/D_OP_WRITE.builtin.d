/* A built-in variable assigned. */

BEGIN
{
	pid = 5;
}
