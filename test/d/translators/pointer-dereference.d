/* The input of a translator is dereferenced. */
#pragma D option quiet


struct in {
	int a;
	struct in *next;
};

typedef struct {
	int first;
	int second;
} out_t;

translator out_t < struct in *I >
{
	first = I->a;
	second = I->next->a;
};

BEGIN
{
	this->one = (struct in *)alloca(sizeof (struct in));
	this->two = (struct in *)alloca(sizeof (struct in));
	this->one->a = 1;
	this->two->a = 2;
	this->one->next = this->two;
	printf("%d %d\n", xlate <out_t *> (this->one)->first, xlate <out_t> (this->one).second);
	exit(0);
}
