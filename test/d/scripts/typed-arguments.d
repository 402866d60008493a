/* args[] has C types; raw arguments are 64 bits. */
#pragma D option quiet


kvm-cpuid
/n++ == 0/
{
	printf("%d %d leaf %x subleaf %x max %d\n", sizeof (args[0]), sizeof (arg0), args[0], args[1], args[2]);
}

kvm-guest-entry
/!entered++/
{
	printf("vcpu %d\n", args[0]->vcpu_id);
}
