/* END can add to aggregations. */
#pragma D option quiet


BEGIN
{
	exit(0);
}

END
{
	@ = sum(9);
}
