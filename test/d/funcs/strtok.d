/* strtok() cuts at any of the separators and goes on with NULL. */
#pragma D option quiet


BEGIN
{
	this->a = strtok("one,two;;three", ",;");
	this->b = strtok(NULL, ",;");
	this->c = strtok(NULL, ",;");
	this->d = strtok(NULL, ",;");
	printf("%s %s %s %d\n", this->a, this->b, this->c, this->d == NULL);
	exit(0);
}
