/* A jump. */

BEGIN { goto out; }
