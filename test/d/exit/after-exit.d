/* After exit() no probe but END fires. */
#pragma D option quiet


BEGIN
{
	exit(0);
}

tick-1ms
{
	printf("wrong\n");
}

END
{
	printf("end\n");
}
