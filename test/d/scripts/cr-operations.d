/* Accesses to control registers by operation and register; the names come from inline arrays. */
#pragma D option quiet


inline string operation[int n] =
    n == 0 ? "mov to" :
    n == 1 ? "mov from" :
    n == 2 ? "clts" :
    n == 3 ? "lmsw" : "<unknown>";

inline string name_of[int n] =
    n == 0 ? "rax" :
    n == 1 ? "rcx" :
    n == 2 ? "rdx" :
    n == 3 ? "rbx" : "<other>";

kvm-cr
{
	@accesses[operation[arg2], arg0, name_of[arg1]] = count();
}

tick-10s,
END
{
	printf("%-10s %4s %-8s %s\n", "OPERATION", "CR", "REGISTER", "COUNT");
	printa("%-10s %4d %-8s %@d\n", @accesses);
	trunc(@accesses);
}
