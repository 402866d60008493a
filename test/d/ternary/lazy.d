/* Only the chosen branch is evaluated. */
#pragma D option quiet


BEGIN
{
	zero = 0;
	n = 0;
	x = zero ? n++ : 10;
	y = zero == 0 ? 20 : 1 / zero;
	printf("%d %d %d\n", x, y, n);
	exit(0);
}
