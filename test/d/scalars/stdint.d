/* The fixed-width names are predefined. */
#pragma D option quiet


int8_t i8;
int16_t i16;
int32_t i32;
int64_t i64;
uint8_t u8;
uint16_t u16;
uint32_t u32;
uint64_t u64;

BEGIN
{
	printf("%d %d %d %d\n", sizeof (i8), sizeof (i16), sizeof (i32), sizeof (i64));
	printf("%d %d %d %d\n", sizeof (u8), sizeof (u16), sizeof (u32), sizeof (u64));
	printf("%d %d %d\n", sizeof (size_t), sizeof (uintptr_t), sizeof (pid_t));
	exit(0);
}
