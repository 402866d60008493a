/* A built-in variable incremented. */

BEGIN
{
	timestamp++;
}
