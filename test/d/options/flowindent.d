/* -F: the header changes, rows that are neither entry nor return begin with a bar. */
#pragma D option flowindent

BEGIN
{
	trace(1);
	exit(0);
}
