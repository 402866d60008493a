/*
 * A path that ends in "/.." keeps the slash of the component it goes back to, by the letter of the algorithm in dtrace_dif_subr; nobody documents it.
 */
#pragma D option quiet


BEGIN
{
	printf("%s\n", cleanpath("/a/b/.."));
	exit(0);
}
