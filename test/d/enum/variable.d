/* Variables of an enumeration. */
#pragma D option quiet


enum level { LOW = 1, HIGH = 9 };

enum level lv;

BEGIN
{
	lv = HIGH;
	printf("%d %d %d\n", lv, lv == HIGH, lv == LOW);
	exit(0);
}
