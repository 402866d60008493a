/* Exit() without a status. */

BEGIN
{
	exit();
}
