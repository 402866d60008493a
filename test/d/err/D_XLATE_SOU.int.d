/* A translator to an int. */

translator int < int *i > { };

BEGIN
{
	exit(0);
}
