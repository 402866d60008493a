/*
 * C promotes the operand of unary minus, so the negated char -128 is 128. libdtrace keeps the operand's type and prints -128.
 */
#pragma D option quiet


BEGIN
{
	c = (char)-128;
	printf("%d\n", -c);
	exit(0);
}
