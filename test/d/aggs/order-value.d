/* Elements print in ascending order of value. */
#pragma D option quiet


BEGIN
{
	@["big"] = sum(300);
	@["small"] = sum(-5);
	@["middle"] = sum(40);
	exit(0);
}
