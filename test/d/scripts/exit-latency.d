/* Time from an exit to the next entry, by reason. */
#pragma D option quiet
#pragma D option aggsortkey


kvm-vexit
{
	self->at = timestamp;
	self->reason = arg1;
	exits++;
}

kvm-guest-entry
/self->at/
{
	@total[strexitno[self->reason]] = sum(timestamp - self->at);
	@number[strexitno[self->reason]] = count();
	self->at = 0;
	self->reason = 0;
}

END
{
	printf("%d exits\n", exits);
	printa("%-20s %@6d ns in %@3d\n", @total, @number);
}
