/* The traced machine is little-endian: network order swaps. */
#pragma D option quiet


BEGIN
{
	printf("%x %x\n", htons(0x1234), ntohs(0x1234));
	printf("%x %x\n", htonl(0x12345678), ntohl(0x12345678));
	printf("%x %x\n", htonll(0x0123456789abcdef), ntohll(0x0123456789abcdef));
	printf("%d %d %d\n", sizeof (htons(1)), sizeof (htonl(1)), sizeof (htonll(1)));
	printf("%x\n", ntohl(htonl(0xcafe)));
	exit(0);
}
