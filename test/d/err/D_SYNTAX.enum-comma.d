/* An enumeration without members. */

enum e { }; BEGIN { exit(0); }
