/* ++ on a name that is not yet known makes a variable that begins at 0. */
#pragma D option quiet


BEGIN
{
	fresh++;
	++fresh;
	table["x"]++;
	self->mine--;
	printf("%d %d %d %d\n", fresh, table["x"], self->mine, sizeof (fresh));
	exit(0);
}
