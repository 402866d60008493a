/* A load extends by the sign of the type pointed to. */
#pragma D option quiet


BEGIN
{
	this->p = (uint64_t *)alloca(8);
	*this->p = 0xfffffffffffffffe;
	printf("%d %d %d %d\n", *(int8_t *)this->p, *(int16_t *)this->p, *(int32_t *)this->p, *(int64_t *)this->p);
	printf("%d %d %d\n", *(uint8_t *)this->p, *(uint16_t *)this->p, *(uint32_t *)this->p);
	exit(0);
}
