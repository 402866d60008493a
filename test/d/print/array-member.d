/* An array of integers as a member. */
#pragma D option quiet


struct row {
	int n[3];
	int last;
};

struct row r;

BEGIN
{
	r.n[0] = 1;
	r.n[1] = 0;
	r.n[2] = 255;
	r.last = 9;
	print(r);
	printf("\n");
	exit(0);
}
