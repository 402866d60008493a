/* A missing semicolon. */

BEGIN { trace(1) trace(2); }
