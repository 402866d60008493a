/* Values of four and eight bytes print with their sign. */

BEGIN
{
	trace(-5);
	trace(-6LL);
	trace((uint64_t)0xffffffffffffffff);
	exit(0);
}
