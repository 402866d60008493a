/* aggsortrev reverses the order. */
#pragma D option quiet

#pragma D option aggsortrev

BEGIN
{
	@["low"] = sum(1);
	@["high"] = sum(3);
	@["middle"] = sum(2);
	exit(0);
}
