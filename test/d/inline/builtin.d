/* An inline of a built-in variable. */
#pragma D option quiet


inline string me = probename;

BEGIN
{
	printf("%s\n", me);
	exit(0);
}

END
{
	printf("%s\n", me);
}
