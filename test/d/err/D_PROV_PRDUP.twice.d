/* One probe declared twice. */
provider mine
{
	probe one();
	probe one();
};

BEGIN
{
	exit(0);
}
