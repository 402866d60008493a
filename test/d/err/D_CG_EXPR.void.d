/* An action inside an expression. */

BEGIN
{
	(void)exit(0);
}
