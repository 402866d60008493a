/*
 * dt_print_bytes takes bytes for a string only when the first one is not NUL, so trace("") dumps strsize zero bytes; here with a strsize of 16.
 */
#pragma D option strsize=16

BEGIN
{
	trace("");
	exit(0);
}
