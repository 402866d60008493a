/* Built-in strings compare like others. */
#pragma D option quiet


BEGIN
/probename == "BEGIN" && probeprov == "dtrace"/
{
	printf("[%s][%s][%s][%s]\n", probeprov, probemod, probefunc, probename);
	exit(0);
}
