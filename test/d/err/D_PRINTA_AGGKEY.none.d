/* One with keys and one without. */

BEGIN
{
	@a = count();
	@b[1] = count();
	printa(@a, @b);
}
