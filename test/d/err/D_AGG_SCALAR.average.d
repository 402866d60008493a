/* A name is nothing to average. */

BEGIN
{
	@a[pid] = avg(probefunc);
	exit(0);
}
