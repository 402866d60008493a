/* A void pointer dereferenced. */

BEGIN
{
	trace(*(void *)8);
}
