/* A structure's declaration ends in a semicolon. */

struct s {
	int a;
}

BEGIN
{
	exit(0);
}
