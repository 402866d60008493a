/* char is signed; its negative values stay negative when widened, those of unsigned char do not. */
#pragma D option quiet


BEGIN
{
	c = (char)200;
	u = (unsigned char)200;
	printf("%d %d\n", c, u);
	printf("%d %d\n", c + 0, u + 0);
	exit(0);
}
