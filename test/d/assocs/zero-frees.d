/* Assigning 0 frees an element. */
#pragma D option quiet


BEGIN
{
	a["k"] = 5;
	a["k"] = 0;
	printf("%d\n", a["k"]);
	a["k"] = 6;
	printf("%d\n", a["k"]);
	exit(0);
}
