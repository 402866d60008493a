/* xlate makes a structure out of another value. */
#pragma D option quiet


struct input {
	int a;
	int b;
};

struct output {
	int sum;
	int product;
};

translator struct output < struct input *i > {
	sum = i->a + i->b;
	product = i->a * i->b;
};

BEGIN
{
	this->in = (struct input *)alloca(sizeof (struct input));
	this->in->a = 6;
	this->in->b = 7;
	printf("%d %d\n", xlate <struct output> (this->in).sum, xlate <struct output> (this->in).product);
	printf("%d\n", xlate <struct output *> (this->in)->product);
	exit(0);
}
