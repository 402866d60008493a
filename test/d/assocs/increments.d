/* Counting in an array. */
#pragma D option quiet


BEGIN
{
	n["x"]++;
	n["x"]++;
	n["y"] += 10;
	printf("%d %d %d\n", n["x"], n["y"], n["z"]++);
	printf("%d\n", n["z"]);
	exit(0);
}
