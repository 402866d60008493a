/* A program of comments. */

/* nothing else */
