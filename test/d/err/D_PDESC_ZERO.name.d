/* An unknown probe of a known provider. */

dtrace:::NOSUCH
{
	trace(1);
}
