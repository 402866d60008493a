/* ERROR fires for a fault, END at the end, in this order. */
#pragma D option quiet


BEGIN
{
	printf("begin\n");
}

BEGIN
{
	x = *(char *)8;
}

BEGIN
{
	printf("after\n");
	exit(0);
}

END
{
	printf("end\n");
}

ERROR
{
	printf("error\n");
}
