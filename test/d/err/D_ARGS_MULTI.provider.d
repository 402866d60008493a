/* Typed arguments of several probes. */

dtrace:::
{
	trace(args[0]);
}
