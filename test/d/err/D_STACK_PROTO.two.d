/* Stack() of two. */

BEGIN
{
	stack(1, 2);
}
