/* A character constant of nine characters. */

BEGIN
{
	x = 'abcdefghi';
}
