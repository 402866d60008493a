#!/usr/bin/env -S dlite -s
/*
 * How long transfers took, in us: by disk and direction at the end, and as rows for a heat map: second, bucket's lower bound, transfers.
 * The classic key: two transfers of one block at a time would be taken for one.
 */
#pragma D option quiet

io:::start
{
	start[args[0]->b_edev, args[0]->b_blkno] = timestamp;
}

io:::done
/start[args[0]->b_edev, args[0]->b_blkno]/
{
	this->us = (timestamp - start[args[0]->b_edev, args[0]->b_blkno]) / 1000;
	@latency[args[1]->dev_statname, args[0]->b_flags & B_READ ? "read" : "write"] = quantize(this->us);
	@heat[timestamp / 1000000000, this->us / 20 * 20] = count();
	start[args[0]->b_edev, args[0]->b_blkno] = 0;
}

dtrace:::END
{
	printa("%s, %s, us:\n%@d\n", @latency);
	setopt("aggsortkey");
	printf("%8s %8s %8s\n", "SECOND", "FROM(us)", "COUNT");
	printa("%8d %8d %@8d\n", @heat);
}
