/* A tick outside any machine has no program counter. */
#pragma D option quiet


profile:::tick-1ms
{
	printf("%s %s\n", probeprov, probename);
	exit(0);
}
