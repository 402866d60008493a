/* alloca() takes a number. */

BEGIN
{
	p = alloca("size");
	exit(0);
}
