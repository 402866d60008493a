/* There is no such type. */

BEGIN
{
	i = (long short)0;
	exit(0);
}
