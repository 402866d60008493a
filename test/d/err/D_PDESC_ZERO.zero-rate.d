/* Zero times a second. */

profile-0
{
	exit(0);
}
