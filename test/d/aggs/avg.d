/* avg() divides in integers. */
#pragma D option quiet


BEGIN
{
	@ = avg(1);
	@ = avg(2);
	@ = avg(5);
	@exact = avg(10);
	@exact = avg(20);
	exit(0);
}
