/* Subroutines in a predicate. */
#pragma D option quiet


BEGIN
/strlen("abc") == 3 && index("hay needle", "needle") >= 0/
{
	printf("yes\n");
	exit(0);
}
