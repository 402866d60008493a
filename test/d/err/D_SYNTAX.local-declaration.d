/* There are no declarations in a clause. */

BEGIN
{
	int i;
	exit(0);
}
