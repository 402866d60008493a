/* Patterns. */
#pragma D option quiet


BEG* { n++; }
*GIN { n++; }
B*N { n++; }
?EGIN { n++; }
dtrace:::[A-C]EGIN { n++; }
dtrace:::[BX]EGIN { n++; }
dtrace:::[!A]EGIN { n++; }
d*e:::BEGIN { n++; }
dtrace:::BE* { n++; }
BEGIN
{
	printf("%d\n", n);
	exit(0);
}
