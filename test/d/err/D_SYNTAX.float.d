/* A floating-point constant. */

BEGIN { x = 1.5; }
