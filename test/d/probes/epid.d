/* Enablings are numbered from 1 in the order of clauses. */
#pragma D option quiet


BEGIN { printf("%d ", epid); }
BEGIN { printf("%d ", epid); }
END { printf("%d\n", epid); }
BEGIN { printf("%d ", epid); exit(0); }
