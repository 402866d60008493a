/* A built-in's name as a member of this-> is a variable of the program. */
#pragma D option quiet


BEGIN
{
	this->timestamp = 5;
	printf("%d %d\n", this->timestamp, this->timestamp != timestamp);
	exit(0);
}
