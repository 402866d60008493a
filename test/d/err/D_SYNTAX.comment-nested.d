/* A comment in a comment. */

/* one /* two */ BEGIN { trace(1); }
