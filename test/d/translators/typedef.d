/* Translators between typedef names. */
#pragma D option quiet


typedef struct raw {
	uint32_t word;
} raw_t;

typedef struct nice {
	uint8_t byte;
	string name;
} nice_t;

translator nice_t < raw_t *r > {
	byte = r->word & 0xff;
	name = r->word > 255 ? "wide" : "narrow";
};

BEGIN
{
	this->r = (raw_t *)alloca(sizeof (raw_t));
	this->r->word = 0x1234;
	printf("%x %s\n", xlate <nice_t *> (this->r)->byte, xlate <nice_t *> (this->r)->name);
	exit(0);
}
