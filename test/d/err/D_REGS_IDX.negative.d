/* A negative register number. */

BEGIN
{
	trace(uregs[-1]);
}
