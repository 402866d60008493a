/* A control line that begins with a string. */
# "text"

BEGIN
{
	exit(0);
}
