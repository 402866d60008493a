/* A translation as a whole is no value. */

struct out { int a; };

translator struct out < int I >
{
	a = I;
};

BEGIN
{
	xlate <struct out> (1);
	exit(0);
}
