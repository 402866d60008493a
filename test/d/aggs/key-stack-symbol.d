/* Symbols and stacks as keys: without any VM there is nothing to walk. */
#pragma D option quiet


BEGIN
{
	@a[sym(0x1000)] = count();
	@b[mod(0x1000), 5] = count();
	@c[func(0x1000)] = sum(2);
	exit(0);
}
