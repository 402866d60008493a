/* The words of a type in any usual order. */
#pragma D option quiet


long int a;
unsigned b;
short int c;
unsigned long long int d;
signed char e;
const int f;
long unsigned g;

BEGIN
{
	printf("%d %d %d %d %d %d %d\n", sizeof (a), sizeof (b), sizeof (c), sizeof (d), sizeof (e), sizeof (f), sizeof (g));
	b = -1;
	e = 255;
	g = -1;
	printf("%u %d %u\n", b, e, g);
	exit(0);
}
