/* Built-in variables as keys. */
#pragma D option quiet


BEGIN
{
	@[probeprov, probename] = count();
}

END
{
	@[probeprov, probename] = count();
	@[probeprov, probename] = count();
}

BEGIN
{
	exit(0);
}
