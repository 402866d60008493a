/* nspec is a number. */
#pragma D option nspec=1.5

BEGIN
{
	exit(0);
}
