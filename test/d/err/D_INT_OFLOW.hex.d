/* A hexadecimal constant of 65 bits. */

BEGIN
{
	x = 0x1ffffffffffffffff;
}
