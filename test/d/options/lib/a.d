#pragma D depends_on library base.d

inline int twice[int x] = x * 2 + LIBRARY_ZERO;
