#!/usr/bin/env -S dlite -s
/* Every transfer of a disk, when it is done: its time, how long it took, where it went. */
#pragma D option quiet

dtrace:::BEGIN
{
	printf("%12s %9s %-8s %1s %10s %8s %3s %s\n", "TIME(us)", "TOOK(us)", "DEVICE", "D", "BLOCK", "BYTES", "ERR", "FILE");
}

io:::start
{
	start[arg0] = timestamp;
}

io:::done
/start[arg0]/
{
	printf("%12d %9d %-8s %1s %10d %8d %3d %s\n", timestamp / 1000, (timestamp - start[arg0]) / 1000, args[1]->dev_statname,
	    args[0]->b_flags & B_READ ? "R" : "W", args[0]->b_blkno, args[0]->b_bcount, args[0]->b_error, args[2]->fi_pathname);
	start[arg0] = 0;
}
