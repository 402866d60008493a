/* A definition over several lines. */
#pragma D option quiet


#define CLAUSE \
	printf("long "); \
	printf("macro\n")

BEGIN
{
	CLAUSE;
	exit(0);
}
