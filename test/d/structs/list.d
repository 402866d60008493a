/* A structure that refers to itself. */
#pragma D option quiet


struct link {
	int v;
	struct link *next;
};

BEGIN
{
	this->a = (struct link *)alloca(sizeof (struct link));
	this->b = (struct link *)alloca(sizeof (struct link));
	this->a->v = 1;
	this->a->next = this->b;
	this->b->v = 2;
	this->b->next = (struct link *)NULL;
	printf("%d %d %d\n", this->a->v, this->a->next->v, this->a->next->next == NULL);
	printf("%d\n", sizeof (struct link));
	exit(0);
}
