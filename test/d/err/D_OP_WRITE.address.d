/* A store through an address that is no variable. */

BEGIN
{
	*(int *)8 = 5;
}
