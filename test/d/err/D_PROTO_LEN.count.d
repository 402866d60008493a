/* Count() of something. */

BEGIN
{
	@ = count(1);
}
