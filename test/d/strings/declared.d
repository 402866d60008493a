/* Declared string variables in every scope. */
#pragma D option quiet


string g;
self string s;
this string t;

BEGIN
{
	g = "global";
	self->s = "thread";
	this->t = "clause";
	printf("%s %s %s\n", g, self->s, this->t);
	exit(0);
}
