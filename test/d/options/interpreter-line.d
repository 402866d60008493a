#!/usr/sbin/dtrace -s
/* A first line with #! is ignored. */
#pragma D option quiet

BEGIN
{
	printf("fine\n");
	exit(0);
}
