enum library { LIBRARY_ZERO, LIBRARY_NUMBER = 42 };

inline string library_name[int n] = n == 1 ? "one" : "many";
