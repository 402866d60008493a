/* A missing parenthesis. */

BEGIN { trace((1 + 2); }
