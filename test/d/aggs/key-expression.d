/* Keys are expressions; a key type is that of its first use. */
#pragma D option quiet


BEGIN
{
	x = 6;
	@[x * 7, strjoin("a", "b")] = count();
	@[42, "ab"] = count();
	exit(0);
}
