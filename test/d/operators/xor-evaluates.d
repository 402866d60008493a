/* ^^ needs both of its operands. */
#pragma D option quiet


BEGIN
{
	n = 0;
	r = n++ ^^ n++;
	printf("%d %d\n", r, n);
	exit(0);
}
