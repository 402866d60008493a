/* A chain of names means the type at its end. */
#pragma D option quiet


typedef char a_t;
typedef a_t b_t;
typedef b_t c_t;

c_t v;

BEGIN
{
	v = 300;
	printf("%d %d\n", v, sizeof (c_t));
	printf("%d\n", (c_t)0x180);
	exit(0);
}
