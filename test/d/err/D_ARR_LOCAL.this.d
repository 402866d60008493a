/* A clause-local associative array. */

BEGIN
{
	this->a["x"] = 1;
}
