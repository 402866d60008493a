/* Thread-local associative arrays. */
#pragma D option quiet


BEGIN
{
	self->a["x", 1] = 10;
	self->a["y", 2] = 20;
	printf("%d %d %d\n", self->a["x", 1], self->a["y", 2], self->a["x", 2]);
	exit(0);
}
