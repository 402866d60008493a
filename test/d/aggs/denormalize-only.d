/* denormalize() of what was never normalized changes nothing. */
#pragma D option quiet


BEGIN
{
	@ = sum(44);
	exit(0);
}

END
{
	denormalize(@);
}
