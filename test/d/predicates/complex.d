/* Predicates are full expressions; a division in one needs no care. */
#pragma D option quiet


BEGIN
{
	a = 12;
	b = 4;
}

BEGIN
/a / b == 3 && (a & b) && !(a < b)/
{
	printf("yes\n");
	exit(0);
}
