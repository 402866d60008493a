/* Members that are strings. */
#pragma D option quiet


struct info {
	string kind;
	int code;
};

translator struct info < int c > {
	kind = c == 0 ? "none" : c < 10 ? "small" : "large";
	code = c;
};

BEGIN
{
	n = 5;
	printf("%s %d\n", xlate <struct info> (n).kind, xlate <struct info> (n).code);
	n = 50;
	printf("%s\n", xlate <struct info> (n).kind);
	exit(0);
}
