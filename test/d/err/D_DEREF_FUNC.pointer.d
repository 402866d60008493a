/* A function dereferenced. */

typedef int (*f_t)(void);

f_t f;

BEGIN
{
	trace(*f);
}
