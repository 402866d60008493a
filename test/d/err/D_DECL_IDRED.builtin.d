/* A built-in variable declared anew. */

int pid;

BEGIN
{
	exit(0);
}
