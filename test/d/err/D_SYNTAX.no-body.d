/* A description without actions in a script. */

BEGIN
