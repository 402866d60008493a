/* A return. */

BEGIN { return 1; }
