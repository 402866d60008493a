/* A conversion with two precisions. */

BEGIN { printf("%1.2.3d", 1); }
