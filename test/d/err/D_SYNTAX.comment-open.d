/* A comment without an end. */

BEGIN { trace(1); } /* no end
