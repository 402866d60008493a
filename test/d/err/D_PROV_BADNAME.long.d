/* A provider's name of 64 characters. */
provider aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd
{
	probe one();
};

BEGIN
{
	exit(0);
}
