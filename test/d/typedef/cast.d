/* Casts to a name. */
#pragma D option quiet


typedef struct { int a; int b; } pair_t;

BEGIN
{
	this->p = (pair_t *)alloca(sizeof (pair_t));
	this->p->b = 6;
	printf("%d\n", ((pair_t *)this->p)->b);
	exit(0);
}
