/* Compound assignments to clause-local, thread-local and array variables. */
#pragma D option quiet


BEGIN
{
	this->t = 1;
	this->t += 10;
	self->s = 2;
	self->s *= 10;
	arr["k"] = 3;
	arr["k"] -= 10;
	printf("%d %d %d\n", this->t, self->s, arr["k"]);
	exit(0);
}
