/* Ways to name a probe: from the right, missing parts match anything. */
#pragma D option quiet


BEGIN { n++; }
:BEGIN { n++; }
::BEGIN { n++; }
:::BEGIN { n++; }
dtrace:::BEGIN { n++; }
BEGIN
{
	printf("%d\n", n);
	exit(0);
}
