/* The name given by a typedef is what is printed. */
#pragma D option quiet


typedef struct point {
	int x;
	int y;
} point_t;

typedef int length_t;

point_t q;
length_t len;

BEGIN
{
	q.x = 3;
	q.y = 4;
	len = 5;
	print(q);
	printf("\n");
	print(len);
	exit(0);
}
