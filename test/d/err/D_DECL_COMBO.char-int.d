/* A combination of type names that names none, in a cast. */

BEGIN
{
	i = (char int)0;
	exit(0);
}
