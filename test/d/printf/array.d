/* An array of characters prints as text. */
#pragma D option quiet


char name[8];

BEGIN
{
	name[0] = 'd';
	name[1] = 't';
	name[2] = '\0';
	printf("[%s]\n", name);
	exit(0);
}
