/* Names for types. */
#pragma D option quiet


typedef unsigned int counter_t;
typedef counter_t *counter_p;
typedef int five_t[5];

counter_t c;
five_t f;

BEGIN
{
	c = -1;
	f[4] = 44;
	printf("%u %d %d %d\n", c, sizeof (counter_t), sizeof (counter_p), sizeof (five_t));
	printf("%d\n", f[4]);
	exit(0);
}
