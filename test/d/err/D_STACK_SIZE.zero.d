/* Stack() of no frames. */

BEGIN
{
	stack(0);
}
