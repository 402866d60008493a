/* Separators at the ends make no tokens; a string without any is one token. */
#pragma D option quiet


BEGIN
{
	printf("[%s]", strtok("--a-b--", "-"));
	printf("[%s]", strtok(NULL, "-"));
	printf("[%d]\n", strtok(NULL, "-") == NULL);
	printf("[%s]", strtok("whole", "-"));
	printf("[%d]\n", strtok(NULL, "-") == NULL);
	printf("[%d]\n", strtok("---", "-") == NULL);
	exit(0);
}
