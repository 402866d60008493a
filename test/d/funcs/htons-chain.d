/* Byte orders there and back. */
#pragma D option quiet


BEGIN
{
	printf("%x %x %x\n", htons(0x1234), htonl(0x12345678), htonll(0x123456789abcdef0));
	printf("%x %x %x\n", ntohs(htons(0xfedc)), ntohl(htonl(0xfedcba98)), ntohll(htonll(0xfedcba9876543210)));
	exit(0);
}
