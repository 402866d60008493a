#!/usr/bin/env -S dlite -s
/* Once a second: what each disk did, reads and writes apart; the busiest last. */
#pragma D option quiet

io:::start
{
	start[arg0] = timestamp;
}

io:::done
/start[arg0]/
{
	this->direction = args[0]->b_flags & B_READ ? "R" : "W";
	@operations[args[1]->dev_statname, this->direction] = count();
	@bytes[args[1]->dev_statname, this->direction] = sum(args[0]->b_bcount);
	@average[args[1]->dev_statname, this->direction] = avg((timestamp - start[arg0]) / 1000);
	@longest[args[1]->dev_statname, this->direction] = max((timestamp - start[arg0]) / 1000);
	start[arg0] = 0;
}

profile:::tick-1s,
dtrace:::END
{
	printf("%-8s %1s %8s %12s %9s %9s\n", "DEVICE", "D", "OPS", "BYTES", "AVG(us)", "MAX(us)");
	printa("%-8s %1s %@8d %@12d %@9d %@9d\n", @operations, @bytes, @average, @longest);
	trunc(@operations);
	trunc(@bytes);
	trunc(@average);
	trunc(@longest);
}
