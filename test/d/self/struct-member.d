/* A thread-local structure's members. */
#pragma D option quiet


struct s {
	int a;
	int b;
};

self struct s v;

BEGIN
{
	self->v.b = 4;
}

BEGIN
/self->v.b == 4 && self->v.a == 0/
{
	printf("kept\n");
	exit(0);
}
