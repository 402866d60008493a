/* The rows of the default action. */

kvm-pio
/n++ < 3/
{
}

END
{
}
