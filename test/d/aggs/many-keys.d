/* Eight keys of every width. */
#pragma D option quiet


BEGIN
{
	@[(char)1, (short)-2, 3, 4LL, "five", (uint8_t)6, (uint16_t)7, (uint32_t)8] = count();
	printa("%d %d %d %d %s %d %d %d %@d\n", @);
	exit(0);
}
