/* Comments anywhere; they do not nest. */
#pragma D option quiet


/* before */ BEGIN /* between */
{
	/* a line */
	printf("a" /* inside */);
	printf("/* not a comment */\n"); /*
	 * several lines
	 */
	exit(0);
}
/* after */
