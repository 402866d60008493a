/* An unknown conversion. */

BEGIN { printf("%z", 1); }
