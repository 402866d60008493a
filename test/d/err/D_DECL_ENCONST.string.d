/* An enumerator that is a string. */

enum e { A = "x" };

BEGIN
{
	exit(0);
}
