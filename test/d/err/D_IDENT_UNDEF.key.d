/* An unknown name as a key. */

BEGIN
{
	@[nosuch] = count();
}
