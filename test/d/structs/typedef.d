/* A structure under a typedef's name, with and without a tag. */
#pragma D option quiet


typedef struct tagged {
	int a;
} tagged_t;

typedef struct {
	int b;
	char c[3];
} untagged_t;

tagged_t t;
untagged_t u;

BEGIN
{
	t.a = 1;
	u.b = 2;
	printf("%d %d %d %d\n", t.a, u.b, sizeof (tagged_t), sizeof (untagged_t));
	printf("%d\n", sizeof (struct tagged));
	exit(0);
}
