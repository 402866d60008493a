/* Arguments are read only. */

BEGIN
{
	arg0 = 1;
	exit(0);
}
