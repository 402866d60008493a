/* print() shows the width of a bit-field after its type and after its name. */
#pragma D option quiet


struct flags {
	unsigned int low:3;
	unsigned int high:5;
	int plain;
} f;

BEGIN
{
	f.low = 3;
	f.high = 17;
	f.plain = 2;
	print(f);
	exit(0);
}
