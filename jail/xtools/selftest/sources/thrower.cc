// A library whose exception is caught elsewhere.
#include "thrower.h"
Trouble::~Trouble() {}
void raise_trouble(int n) { throw Trouble(n); }
