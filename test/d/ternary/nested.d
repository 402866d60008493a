/* It associates to the right. */
#pragma D option quiet


BEGIN
{
	n = 2;
	printf("%s\n", n == 1 ? "one" : n == 2 ? "two" : n == 3 ? "three" : "many");
	n = 3;
	printf("%s\n", n == 1 ? "one" : n == 2 ? "two" : n == 3 ? "three" : "many");
	n = 4;
	printf("%s\n", n == 1 ? "one" : n == 2 ? "two" : n == 3 ? "three" : "many");
	exit(0);
}
