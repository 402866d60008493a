/* #undef and redefinition. */
#pragma D option quiet


#define V 1
BEGIN { printf("%d ", V); }
#undef V
#define V 2
BEGIN { printf("%d\n", V); exit(0); }
