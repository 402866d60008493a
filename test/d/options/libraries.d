/* -L: a folder of libraries, which may depend on each other whatever their order. */
#pragma D option quiet


#pragma D depends_on library base.d

BEGIN
{
	printf("%d %s\n", twice[LIBRARY_NUMBER], library_name[1]);
	exit(0);
}
