/* A character of a string by its place. */
#pragma D option quiet


BEGIN
{
	s = "ABCDEFG";
	self->s = "QRS";
	as[1] = "TUV";
	this->s = "xyz";
	printf("%c%c%c%c%c %d\n", s[1], self->s[0], as[1][2], this->s[1], "lit"[2], sizeof (s[0]));
	exit(0);
}
