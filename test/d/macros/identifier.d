/* An argument that is a name stands for the name. */
#pragma D option quiet


BEGIN
{
	alpha = 5;
	printf("%d\n", $1);
	exit(0);
}
