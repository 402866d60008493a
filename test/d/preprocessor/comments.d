/* Both kinds of comment in preprocessed text. */
#pragma D option quiet


#define X 5 /* five */

BEGIN
{
	printf("%d\n", X);
	exit(0);
}
