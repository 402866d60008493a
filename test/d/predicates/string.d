/* A comparison of strings. */
#pragma D option quiet


BEGIN
/probename == "END"/
{
	printf("wrong\n");
}

BEGIN
/probename == "BEGIN"/
{
	printf("right\n");
	exit(0);
}
