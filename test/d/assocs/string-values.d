/* Elements that are strings are stored by value. */
#pragma D option quiet


BEGIN
{
	s["a"] = "alpha";
	s["b"] = s["a"];
	s["a"] = "changed";
	printf("%s %s\n", s["a"], s["b"]);
	exit(0);
}
