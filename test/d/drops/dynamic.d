/* Dynamic variables live in bounded memory: far more than fit leaves the program running. */
#pragma D option quiet

#pragma D option dynvarsize=4k

BEGIN
{
	a[1] = "one"; a[2] = "two"; a[3] = "three"; a[4] = "four"; a[5] = "five"; a[6] = "six"; a[7] = "seven"; a[8] = "eight";
	a[9] = "nine"; a[10] = "ten"; a[11] = "eleven"; a[12] = "twelve"; a[13] = "thirteen"; a[14] = "fourteen"; a[15] = "fifteen";
	a[16] = "x"; a[17] = "x"; a[18] = "x"; a[19] = "x"; a[20] = "x"; a[21] = "x"; a[22] = "x"; a[23] = "x"; a[24] = "x";
}

BEGIN
{
	printf("%s still here\n", a[1]);
	exit(0);
}
