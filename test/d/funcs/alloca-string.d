/* Bytes in scratch memory seen as a string. */
#pragma D option quiet


BEGIN
{
	this->p = (char *)alloca(16);
	bcopy("scratch", this->p, 8);
	printf("%s %d\n", stringof(this->p), strlen(stringof(this->p)));
	exit(0);
}
