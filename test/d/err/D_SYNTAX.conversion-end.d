/* A conversion that ends the format. */

BEGIN { printf("100%"); }
