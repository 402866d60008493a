/* Sizes of the basic types (LP64). */
#pragma D option quiet


BEGIN
{
	printf("%d %d %d %d %d\n", sizeof (char), sizeof (short), sizeof (int), sizeof (long), sizeof (long long));
	printf("%d %d %d\n", sizeof (void *), sizeof (char *), sizeof (float));
	printf("%d %d\n", sizeof (double), sizeof (long double));
	exit(0);
}
