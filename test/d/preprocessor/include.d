/* #include "..." looks beside the program and in the folders of -I. */
#pragma D option quiet

#include "include.h"

BEGIN
{
	printf("%d %s\n", INCLUDED, TWICE("ab"));
	exit(0);
}
