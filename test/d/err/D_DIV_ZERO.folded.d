/* A divisor that folds to 0. */

BEGIN
{
	x = 5;
	y = x / (3 - 3);
}
