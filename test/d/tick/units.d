/* The units of a tick. */
#pragma D option quiet


tick-1000000ns { a = 1; }
tick-1000us { b = 1; }
tick-1msec { c = 1; }
tick-1000hz { d = 1; }
tick-1000 { e = 1; }

tick-1ms
/a && b && c && d && e/
{
	printf("all\n");
	exit(0);
}
