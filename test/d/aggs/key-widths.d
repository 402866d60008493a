/* Integer keys print in the width of their type. */
#pragma D option quiet


BEGIN
{
	@[(char)1, (short)2, (int)3, (long long)4] = count();
	exit(0);
}
