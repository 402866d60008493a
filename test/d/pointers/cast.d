/* The bytes of an integer through a pointer to char. */
#pragma D option quiet


BEGIN
{
	this->w = (uint32_t *)alloca(4);
	*this->w = 0x11223344;
	this->b = (uint8_t *)this->w;
	printf("%x %x %x %x\n", this->b[0], this->b[1], this->b[2], this->b[3]);
	printf("%x\n", *(uint16_t *)(this->b + 1));
	exit(0);
}
