/* The shape of most scripts: title, collecting, output in END. */
#pragma D option quiet

dtrace:::BEGIN
{
	printf("Tracing... Hit Ctrl-C to end.\n");
	start = timestamp;
}

tick-1ms
{
	@counts[probename] = count();
	@values = quantize(++n);
}

tick-1ms
/n == 4/
{
	exit(0);
}

dtrace:::END
{
	printf("%-16s %8s\n", "PROBE", "COUNT");
	printa("%-16s %@8d\n", @counts);
	printa(@values);
}
