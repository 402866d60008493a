/* A subroutine that finds nothing gives a null pointer, and a variable of any kind keeps it. */
#pragma D option quiet


BEGIN
{
	g = strchr("abc", 'Z');
	this->l = strstr("ABC", "a");
	self->t = strrchr("abc", 'Z');
	a[1] = strchr("abc", 'Z');
	g2 = g;
}

BEGIN
{
	printf("%d %d %d %d %d\n", g == NULL, this->l == NULL, self->t == NULL, a[1] == NULL, g2 == NULL);
	g = "text";
	printf("%d\n", g == NULL);
	g = NULL;
	printf("%d\n", g == NULL);
	exit(0);
}

ERROR
{
	printf("fault %d\n", arg4);
}
