/* Elements by integer and by string keys. */
#pragma D option quiet


BEGIN
{
	a[1] = 10;
	a[2] = 20;
	b["one"] = 1;
	b["two"] = 2;
	printf("%d %d %d %d\n", a[1], a[2], b["one"], b["two"]);
	exit(0);
}
