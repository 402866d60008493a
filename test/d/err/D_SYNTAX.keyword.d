/* A reserved word as a variable. */

BEGIN { struct = 5; }
