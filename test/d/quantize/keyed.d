/* The key stands on a line of its own before its distribution. */
#pragma D option quiet


BEGIN
{
	@["read"] = quantize(3);
	@["write"] = quantize(1000);
	@["write"] = quantize(3);
	exit(0);
}
