/* A pointer to a function is a pointer. */
#pragma D option quiet


typedef int (*handler_t)(int, void *);

struct ops {
	handler_t handler;
	int (*other)(void);
};

BEGIN
{
	printf("%d %d\n", sizeof (handler_t), sizeof (struct ops));
	exit(0);
}
