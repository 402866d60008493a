/* String constants side by side are not joined. */

BEGIN
{
	printf("one" "two");
	exit(0);
}
