/* Stack() of a negative number. */

BEGIN
{
	stack(-1);
}
