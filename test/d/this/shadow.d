/* They may have the names of global variables and of built-ins. */
#pragma D option quiet


BEGIN
{
	this->pid = 1;
	this->timestamp = 2;
	this->execname = "none";
	printf("%d %d %s\n", this->pid, this->timestamp, this->execname);
	exit(0);
}
