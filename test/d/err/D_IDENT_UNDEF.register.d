/* An unknown register. */

BEGIN
{
	trace(uregs[R_NOSUCH]);
}
