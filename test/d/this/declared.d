/* Declared types apply. */
#pragma D option quiet


this int8_t small;
this uint16_t half;

BEGIN
{
	this->small = 200;
	this->half = 65537;
	printf("%d %d\n", this->small, this->half);
	exit(0);
}
