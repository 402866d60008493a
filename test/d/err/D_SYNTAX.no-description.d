/* A clause needs a probe. */

{
	exit(0);
}
