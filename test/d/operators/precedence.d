/* C's precedence and associativity. */
#pragma D option quiet


BEGIN
{
	two = 2;
	three = 3;
	printf("%d %d %d\n", two + three * 4, (two + three) * 4, 10 - 4 - three);
	printf("%d %d\n", 1 << two + 1, 64 >> two >> 1);
	printf("%d %d\n", 5 & three == three, (5 & three) == 1);
	printf("%d\n", 1 | two ^ three & 4);
	printf("%d %d\n", 7 % 4 * two, 100 / 10 / two);
	printf("%d %d\n", -two * -three, !two + 1);
	exit(0);
}
