/* print() shows type and value, integers in hexadecimal; 0 without a prefix. */
#pragma D option quiet


BEGIN
{
	i = 10;
	print(i);
	j = (int64_t)-1;
	print(j);
	k = (uint8_t)200;
	print(k);
	print(0);
	exit(0);
}
