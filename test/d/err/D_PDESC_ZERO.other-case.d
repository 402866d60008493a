/* Names are as they are written. */

begin
{
	exit(0);
}
