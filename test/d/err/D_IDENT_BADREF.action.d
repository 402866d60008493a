/* An action without a call. */

BEGIN
{
	x = printf;
}
