/* printa() without a format begins with a newline; what it has printed is not printed again at the end. */
#pragma D option quiet


BEGIN
{
	@shown["key"] = count();
	@left["other"] = count();
	exit(0);
}

END
{
	printa(@shown);
}
