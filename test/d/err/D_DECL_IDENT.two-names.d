/* Two type names and a name. */

uint32_t int8_t x;

BEGIN
{
	exit(0);
}
