/* A policy that is none. */
#pragma D option bufpolicy=hoard

BEGIN
{
	exit(0);
}
