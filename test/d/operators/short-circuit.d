/* The right operand of && and || is evaluated only when it decides. */
#pragma D option quiet


BEGIN
{
	zero = 0;
	one = 1;
	n = 0;
	r = zero && n++;
	printf("%d %d\n", r, n);
	r = one || n++;
	printf("%d %d\n", r, n);
	r = one && ++n;
	printf("%d %d\n", r, n);
	r = zero || ++n;
	printf("%d %d\n", r, n);
	printf("%d\n", zero != 0 && 10 / zero > 1);
	exit(0);
}
