/* A missing brace. */

BEGIN { trace(1);
