/* The clauses of one probe run in the order of the program. */
#pragma D option quiet


BEGIN { printf("1 "); }
BEGIN { printf("2 "); }
END { printf("4\n"); }
BEGIN { printf("3 "); exit(0); }
