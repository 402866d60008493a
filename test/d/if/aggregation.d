/* Aggregating in a branch. */
#pragma D option quiet


BEGIN
{
	x = 7;
	if (x % 2) {
		@odd = count();
	} else {
		@even = count();
	}
	exit(0);
}
