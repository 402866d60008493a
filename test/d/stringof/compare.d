/* The result compares as a string. */
#pragma D option quiet


BEGIN
{
	this->p = (char *)alloca(4);
	bcopy("abc", this->p, 4);
	printf("%d %d\n", stringof(this->p) == "abc", stringof(this->p + 1) == "bc");
	exit(0);
}
