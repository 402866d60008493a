/* The types of built-in variables. */
#pragma D option quiet


BEGIN
{
	printf("%d %d %d\n", sizeof (timestamp), sizeof (vtimestamp), sizeof (walltimestamp));
	printf("%d %d %d %d\n", sizeof (pid), sizeof (tid), sizeof (id), sizeof (epid));
	printf("%d\n", sizeof (errno));
	exit(0);
}
