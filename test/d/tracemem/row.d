/* In a row the dump begins on the next line. */

BEGIN
{
	this->p = (uint32_t *)alloca(4);
	*this->p = 0x44434241;
	tracemem(this->p, 4);
	exit(0);
}
