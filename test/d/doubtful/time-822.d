/*
 * %T is strftime's "%a, %d %b %G %T %Z"; the zone's name depends on the system (UTC or GMT).
 */
#pragma D option quiet


BEGIN
{
	printf("%T\n", (int64_t)86400000000000);
	exit(0);
}
