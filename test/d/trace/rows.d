/* One row for each clause that fires. */

BEGIN
{
	trace(1);
}

BEGIN
{
	trace(2);
}

BEGIN
/0/
{
	trace(3);
}

END
{
	trace(4);
}

BEGIN
{
	exit(0);
}
