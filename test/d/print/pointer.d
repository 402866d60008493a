/* A pointer as a hexadecimal number, no space after the star. */
#pragma D option quiet


struct node {
	struct node *next;
	void *data;
};

struct node n;

BEGIN
{
	n.next = (struct node *)0x1000;
	n.data = (void *)0;
	print(n);
	printf("\n");
	exit(0);
}
