/* tolower() and toupper() change ASCII letters only. */
#pragma D option quiet


BEGIN
{
	printf("%s %s\n", tolower("MiXeD 123!"), toupper("MiXeD 123!"));
	printf("[%s][%s]\n", tolower(""), toupper("`{az@[AZ"));
	exit(0);
}
