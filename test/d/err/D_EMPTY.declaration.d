/* A program of declarations. */

int x;
