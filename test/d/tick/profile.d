/* profile probes fire as well. */
#pragma D option quiet


profile-1ms
{
	n++;
}

profile-1ms
/n == 3/
{
	printf("three\n");
	exit(0);
}
