/* A missing bracket. */

BEGIN { a[1 = 2; }
