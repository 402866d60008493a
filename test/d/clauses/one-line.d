/* Layout is free. */
#pragma D option quiet
BEGIN/1/{printf("x");y=2;printf("%d\n",y);exit(0)}
