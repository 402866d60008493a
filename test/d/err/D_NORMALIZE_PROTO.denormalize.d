/* Denormalize() with a factor. */

BEGIN
{
	@a = count();
	denormalize(@a, 5);
}
