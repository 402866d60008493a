/* # and ## in macros. */
#pragma D option quiet


#define STR(x) #x
#define JOIN(a, b) a ## b

BEGIN
{
	var12 = 7;
	printf("%s %d\n", STR(some text), JOIN(var, 12));
	exit(0);
}
