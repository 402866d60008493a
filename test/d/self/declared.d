/* Declared types. */
#pragma D option quiet


self uint8_t byte;
self string name;
self int64_t wide;

BEGIN
{
	self->byte = 0x1ff;
	self->name = "n";
	self->wide = -1;
	printf("%d %s %d %d\n", self->byte, self->name, self->wide, sizeof (self->byte));
	exit(0);
}
