/* char and short are promoted to int before they are computed with. */
#pragma D option quiet


BEGIN
{
	c = (char)127;
	s = (short)32767;
	u = (unsigned char)255;
	printf("%d %d %d\n", c + 1, s + 1, u + 1);
	printf("%d %d %d\n", sizeof (c + c), sizeof (s + s), sizeof (u * u));
	exit(0);
}
