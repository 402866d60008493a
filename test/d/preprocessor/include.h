#define INCLUDED 7
#define TWICE(x) strjoin(x, x)
