/* Everything a clause records appears in the order of its statements. */

BEGIN
{
	printf("one ");
	trace(2);
	printf(" three");
	exit(0);
}
