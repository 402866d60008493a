/* #pragma ident and #ident are ignored, as are empty control lines and pragmas of others. */
#pragma ident "something"
#ident "something"
#
#pragma weak f = g
#pragma D option quiet

BEGIN
{
	printf("fine\n");
	exit(0);
}
