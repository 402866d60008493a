/* A clause without statements leaves a bare row. */

BEGIN
{
}

END
{
}

BEGIN
{
	exit(0);
}
