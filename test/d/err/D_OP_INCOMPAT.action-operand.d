/* An action has no value. */

BEGIN
{
	x = 1 + trace(2);
	exit(0);
}
