/* A string. */
#pragma D option quiet


BEGIN
{
	print("some text");
	exit(0);
}
