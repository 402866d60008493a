#!/usr/sbin/dtrace -s

#pragma D option quiet

inline string op[int n] =
    n == 0 ? "mov to" :
    n == 1 ? "mov from" :
    n == 2 ? "clts" : "lmsw";

BEGIN
{
	reg[0] = "rax";
	reg[1] = "rcx";
	reg[2] = "rdx";
	reg[3] = "rbx";
	reg[4] = "rsp";
	reg[5] = "rbp";
	reg[6] = "rsi";
	reg[7] = "rdi";
}

/* CR accesses by operation and register, every 10 s. */
sdt:kvm::kvm-cr
{
	@[op[(int)arg2], arg0, reg[(int)arg1]] = count();
}

tick-10s,
END
{
	printf("%-10s %4s %4s %8s\n", "OPERATION", "CR", "REG", "COUNT");
	printa("%-10s %4d %4s %@8d\n", @);
	trunc(@);
}
