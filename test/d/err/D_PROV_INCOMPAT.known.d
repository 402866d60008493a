/* A known provider with a probe it does not have. */
provider dtrace
{
	probe nosuch();
};

BEGIN
{
	exit(0);
}
