/* There are no labels. */

BEGIN
{
	again: i++;
	exit(0);
}
