/* A translator's result is a structure. */

translator int < void *P >
{
	x = 1;
};

BEGIN
{
	exit(0);
}
