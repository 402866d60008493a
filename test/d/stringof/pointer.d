/* stringof turns a pointer to characters, an array or a string into a string. */
#pragma D option quiet


char buf[8];

BEGIN
{
	buf[0] = 'o';
	buf[1] = 'k';
	buf[2] = '\0';
	printf("%s\n", stringof(buf));
	printf("%s\n", stringof("already"));
	this->p = (char *)alloca(4);
	bcopy("abc", this->p, 4);
	printf("%s %s\n", stringof(this->p), (string)this->p);
	printf("%s\n", stringof this->p);
	exit(0);
}
