/* Assigning 0 frees the variable; it reads as 0 again. */
#pragma D option quiet


BEGIN
{
	self->x = 5;
	self->x = 0;
	printf("%d\n", self->x);
	self->x = 6;
	printf("%d\n", self->x);
	exit(0);
}
