/* Declared arrays with several key types. */
#pragma D option quiet


string name[int, string];
uint8_t level[string];

BEGIN
{
	name[1, "a"] = "first";
	level["x"] = 0x101;
	printf("%s %d\n", name[1, "a"], level["x"]);
	exit(0);
}
