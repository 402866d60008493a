/* A member is no function. */

BEGIN
{
	x = nothing(1, 2);
	exit(0);
}
