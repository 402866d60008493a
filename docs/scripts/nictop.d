#!/usr/bin/env -S dlite -s
/* Once a second: frames and bytes of each NIC by direction, and what was dropped and why. */
#pragma D option quiet

vnic:::tx,
vnic:::rx
{
	@frames[args[1]->name, probename] = count();
	@bytes[args[1]->name, probename] = sum(args[0]->length);
	@longest[args[1]->name, probename] = max(args[0]->length);
}

vnic:::drop
{
	@dropped[args[1]->name, args[0]->reason, args[0]->source] = count();
}

profile:::tick-1s,
dtrace:::END
{
	printf("%-8s %-4s %8s %12s %8s\n", "NIC", "WAY", "FRAMES", "BYTES", "LONGEST");
	printa("%-8s %-4s %@8d %@12d %@8d\n", @frames, @bytes, @longest);
	printa("%-8s dropped: %-12s from %s: %@d\n", @dropped);
	trunc(@frames);
	trunc(@bytes);
	trunc(@longest);
	trunc(@dropped);
}
