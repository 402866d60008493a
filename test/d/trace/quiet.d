/* In quiet mode nothing is padded. */
#pragma D option quiet


BEGIN
{
	trace(1);
	trace("|");
	trace(-2LL);
	trace("|");
	trace((char)3);
	trace("\n");
	exit(0);
}
