/* An empty predicate. */

BEGIN // { trace(1); }
