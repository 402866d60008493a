/* Integer keys are converted to the declared type. */
#pragma D option quiet


int a[int64_t];
int b[char];

BEGIN
{
	a[-1] = 1;
	b[65] = 2;
	printf("%d %d\n", a[-1LL], b['A']);
	exit(0);
}
