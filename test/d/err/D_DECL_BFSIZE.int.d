/* 33 bits of an int. */

struct s {
	unsigned int c : 33;
};

BEGIN
{
	exit(0);
}
