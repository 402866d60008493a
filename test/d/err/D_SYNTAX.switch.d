/* A switch. */

BEGIN { switch (1) { } }
