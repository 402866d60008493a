/*
 * trace() of a value of one or two bytes prints it unsigned in illumos (the datum is read as uint8_t or uint16_t). Later implementations print the sign.
 */

BEGIN
{
	trace((char)-1);
	trace((short)-1);
	exit(0);
}
