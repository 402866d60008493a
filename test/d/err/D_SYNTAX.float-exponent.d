/* A floating-point constant with an exponent. */

BEGIN { x = 1e5; }
