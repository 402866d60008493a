/* An enumerator by its name, in a structure. */
#pragma D option quiet


enum state { IDLE, BUSY = 5, DONE };

struct job {
	enum state st;
	int id;
};

struct job j;

BEGIN
{
	j.st = BUSY;
	j.id = 1;
	print(j);
	printf("\n");
	exit(0);
}
