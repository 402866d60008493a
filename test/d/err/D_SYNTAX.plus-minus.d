/* An operator without its second operand. */

BEGIN
{
	trace(3 + - );
	exit(0);
}
