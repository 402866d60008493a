/* An unknown VMCS field. */

BEGIN
{
	trace(vmregs[VMX_NO_SUCH_FIELD]);
}
