/* Calls inside calls. */
#pragma D option quiet


BEGIN
{
	printf("%s\n", toupper(substr(basename("/usr/share/dictionary"), 0, 4)));
	printf("%d\n", strlen(lltostr(strtoll("1000") * 1000)));
	printf("%s\n", strjoin(dirname("/a/b"), strjoin("/", basename("/a/b"))));
	exit(0);
}
