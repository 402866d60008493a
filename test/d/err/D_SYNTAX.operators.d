/* Two operators in a row. */

BEGIN { x = 1 * / 2; }
