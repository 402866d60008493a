/* An action without its argument, in an operand. */

BEGIN
{
	i = 1;
	i ? exit() : 0;
}
