/* Text and numbers of the guest by address. */
#pragma D option quiet


struct pair {
	int one;
	int two;
	int64_t three;
};

kvm-pio
{
	this->text = uregs[R_RDI];
	this->pair = (struct pair *)(this->text + 16);
	printf("%s %s %d %d %d\n", copyinstr(this->text), stringof((char *)this->text), this->pair->one, this->pair->two, this->pair->three);
	tracemem(copyin(this->text, 16), 16);
	print(*this->pair);
	printf("\n%d\n", strlen(copyinstr(this->text)));
}
