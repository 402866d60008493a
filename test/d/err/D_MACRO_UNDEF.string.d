/* A string argument that was not given. */

BEGIN
{
	trace($$3);
}
