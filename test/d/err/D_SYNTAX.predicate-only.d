/* A predicate without actions. */

BEGIN /1/
