/* Conditional text. */
#pragma D option quiet


#define A 1
#if A
#define WORD "yes"
#else
#define WORD "no"
#endif
#ifdef B
#define OTHER "b"
#elif defined(A) && A > 0
#define OTHER "a"
#endif
#ifndef NEVER
#define THIRD "third"
#endif

BEGIN
{
	printf("%s %s %s\n", WORD, OTHER, THIRD);
	exit(0);
}
