/* An array of characters is text. */
#pragma D option quiet


struct s {
	char name[8];
	char letter;
	unsigned char byte;
	int *where;
} v;

BEGIN
{
	v.name[0] = 'h';
	v.name[1] = 'i';
	v.letter = 'x';
	v.byte = 7;
	print(v);
	exit(0);
}
