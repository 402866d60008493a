/* Built-in variables are read only. */

BEGIN
{
	pid++;
	exit(0);
}
