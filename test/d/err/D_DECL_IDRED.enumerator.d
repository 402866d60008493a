/* One enumerator in two enumerations. */

enum e { A };

enum f { A };

BEGIN
{
	exit(0);
}
