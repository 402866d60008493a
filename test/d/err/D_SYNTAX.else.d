/* An else without its if. */

BEGIN { else trace(1); }
