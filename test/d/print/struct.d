/* A structure, its members indented; the closing brace ends the record without a newline. */
#pragma D option quiet


struct pair {
	int first;
	uint64_t second;
};

struct pair p;

BEGIN
{
	p.first = 1;
	p.second = 0x100;
	print(p);
	printf("\n");
	exit(0);
}
