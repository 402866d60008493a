/* inet_ntop() for both families. */
#pragma D option quiet


BEGIN
{
	this->a = (ipaddr_t *)alloca(sizeof (ipaddr_t));
	*this->a = htonl(0x7f000001);
	printf("%s\n", inet_ntop(AF_INET, this->a));
	this->p = (uint64_t *)alloca(16);
	this->p[0] = htonll(0xfe80000000000000);
	this->p[1] = htonll(0x02144ffffe3b76c8);
	printf("%s\n", inet_ntop(AF_INET6, this->p));
	this->p[0] = 0;
	this->p[1] = htonll(1);
	printf("%s\n", inet_ntop(AF_INET6, this->p));
	this->p[0] = htonll(0x2001048600000000);
	this->p[1] = htonll(0x0000000000001234);
	printf("%s\n", inet_ntop(AF_INET6, this->p));
	exit(0);
}
