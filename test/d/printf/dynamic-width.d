/* A width or a precision of * is taken from the arguments. */
#pragma D option quiet


BEGIN
{
	w = 6;
	printf("[%*d][%-*d]\n", w, 42, 8, 42);
	printf("[%.*s][%*.*s]\n", 3, "abcdef", 6, 2, "abcdef");
	printf("[%*s]\n", -6, "ab");
	exit(0);
}
