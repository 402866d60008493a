/* The conditional operator chooses by truth. */
#pragma D option quiet


BEGIN
{
	x = 5;
	printf("%s %s\n", x > 3 ? "big" : "small", x > 9 ? "big" : "small");
	printf("%d\n", x ? 1 : 2);
	exit(0);
}
