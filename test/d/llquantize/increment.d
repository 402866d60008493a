/* The last argument is what is added. */
#pragma D option quiet


BEGIN
{
	@ = llquantize(20, 10, 0, 2, 10, 5);
	@ = llquantize(30, 10, 0, 2, 10, 15);
	exit(0);
}
