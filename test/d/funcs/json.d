/* json() selects a value by a path of names and indices. */
#pragma D option quiet


BEGIN
{
	j = "{\"name\":\"vm\", \"cpus\":[0,1,{\"id\":7}], \"on\":true, \"none\":null, \"n\":-1.5e3}";
	printf("%s %s %s\n", json(j, "name"), json(j, "cpus[1]"), json(j, "cpus[2].id"));
	printf("%s %s %s\n", json(j, "on"), json(j, "none"), json(j, "n"));
	printf("%s\n", json(j, "cpus"));
	printf("%d %d\n", json(j, "missing") == NULL, json(j, "name.x") == NULL);
	printf("%s\n", json("[10,20,30]", "2"));
	exit(0);
}
